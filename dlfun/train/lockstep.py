"""Members of a group in lockstep: their logs, checkpoints, divergence, interruption and results."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np

from dlfun import metrics as measures
from dlfun.experiment import Experiment, Objective, Trained
from dlfun.nn.networks import parameters
from dlfun.random import stream
from dlfun.train import checkpoint, loop, run_directory
from dlfun.train.compile import NO_STEP, to_host
from dlfun.train.logging import Display, Events, Log, Splits, learning_rate, rows
from dlfun.train.loop import Position, Work, member

if TYPE_CHECKING:
    from dlfun.train.trainer import GroupTrainer

SHARE = 20
"""Minimum ratio of the time between two checkpoints to the time that writing one takes:
checkpoints take at most a twentieth of a training."""

Ended = tuple[int, Future]
"""A member that has ended, and its result once that is written."""


class Snapshot(NamedTuple):
    """A member at the end of an epoch, or where it was stopped, on the host."""

    position: Position
    seconds: float
    splits: Splits
    score: float = math.inf


def score(objective: Objective, splits: Mapping[str, Mapping[str, Any]]) -> float:
    """The number by which checkpoints are compared, lower is better.

    The objective's metric of the validation split where there is one, else of the training split;
    infinite where it is not there.
    """
    value = (splits.get("validation") or splits.get("train") or {}).get(objective.metric)
    if not isinstance(value, float) or not math.isfinite(value):
        return math.inf
    return value if objective.goal == "min" else -value


def measures_of(experiment: Experiment, trained: Trained) -> dict[str, float | str]:
    """The results of `experiment.measure` at the end of a training, by split/name."""
    if experiment.measure is None:
        return {}
    key = stream(trained.config.seed, "measure")
    measured = experiment.measure(trained, key).items()
    return {path: value if isinstance(value, str) else float(value) for path, value in measured}


def merge(splits: Splits, measured: Mapping[str, float | str]) -> Splits:
    """Metrics by split with measures by split/name among them."""
    merged = {split: dict(metrics) for split, metrics in splits.items()}
    for path, value in measured.items():
        split, _, name = path.partition("/")
        merged.setdefault(split, {})[name] = value
    return merged


def finite(metrics: Mapping[str, measures.Metrics]) -> bool:
    """True if every sum and count of every split is finite."""
    return all(bool(np.isfinite(leaf).all()) for leaf in jax.tree.leaves(metrics))


def result_of(status: str, step: int, seconds: float, metrics: Splits) -> dict[str, Any]:
    """The contents of result.json."""
    return {"status": status, "step": step, "seconds": round(seconds, 3), "metrics": metrics}


def _has_rows(run: Path, snapshot: Snapshot) -> bool:
    """True if metrics.jsonl has a row for each split that was measured at a position."""
    step = snapshot.position.step
    splits = {row["split"] for row in run_directory.read_metrics(run) if row["step"] == step}
    return splits >= snapshot.splits.keys()


class Lockstep:
    """Members that stand at one step, trained together from there to their end."""

    def __init__(
        self,
        trainer: "GroupTrainer",
        chunk: Sequence[int],
        filled: Sequence[int],
        display: Display | None,
    ) -> None:
        """`filled` are the members of `chunk`, the last repeated to fill the compiled program."""
        self.trainer, self.filled, self.display = trainer, filled, display
        self.alive = dict(enumerate(chunk))
        self.runs = [trainer.members[number].run for number in chunk]
        self.position, saved = trainer.begin(filled)
        self.before = [one.seconds if one else 0.0 for one in saved]
        self.last: dict[int, Snapshot] = {}
        self.best: dict[int, Snapshot] = {}
        self.best_score = dict.fromkeys(self.alive, math.inf)
        for slot, one in zip(self.alive, saved, strict=False):
            if one is not None:
                position = self._position(slot, (self.position.state, self.position.totals))
                self.last[slot] = Snapshot(position, one.seconds, one.metrics, one.score)
                best = checkpoint.best(one.path.parent, trainer.warn)
                self.best_score[slot] = best.score if best else math.inf
        self.saves: dict[int, dict[int, Future | None]] = {
            slot: {self.position.step: None} for slot in self.alive
        }
        """The checkpoints of each member by step: on the disk, or being written."""
        self.logs: dict[int, Log] = {}

    def train(self, stop: Callable[[], bool]) -> Iterator[Ended]:
        """Yield each member as it ends."""
        trainer, step = self.trainer, self.position.step
        if self.display and step:
            self.display.note(f"resuming from step {step}")
        for slot, run in enumerate(self.runs if trainer.leads else []):
            events: Events = "live" if trainer.alone else "at end"
            self.logs[slot] = Log(run, step, events if trainer.outputs.events else "none")
            if slot in self.last and not _has_rows(run, self.last[slot]):
                rest = f"it has no rows of step {step}, of which there is a checkpoint"
                trainer.warn(f"{run / run_directory.METRICS} is damaged: {rest}")
            run_directory.write_result(run, {"status": "running"})
        self.began = self.saved_at = time.perf_counter()
        try:
            yield from self._train(stop)
        except BaseException:
            for slot in self.alive.keys() & self.logs.keys():
                self.logs[slot].abandon()
            raise

    def _train(self, stop: Callable[[], bool]) -> Iterator[Ended]:
        trainer = self.trainer
        values = trainer.group.values(self.filled)
        options, until = trainer.options, trainer.until
        while True:
            work = trainer.work(self.position.stage, self.filled)
            programs = trainer.programs(work.number)
            for progress in loop.fit(
                work, self.position, programs, values, loop=options.loop, until=until, stop=stop
            ):
                yield from self._after_piece(work, progress)
            if not self.alive or until <= work.last_epoch:
                break
            self._begin_stage(work.number + 1)
        for slot in list(self.alive):
            yield self._end(slot)

    def _begin_stage(self, number: int) -> None:
        """Hand the states on to the next stage, whose checkpoints are compared among themselves."""
        states = self.trainer.first_states(number, self.filled, to_host(self.position.state))
        totals = self.trainer.zero_totals(number, len(self.filled))
        self.position = Position(states, self.position.step, totals, number)
        self.best, self.best_score = {}, dict.fromkeys(self.alive, math.inf)

    def _after_piece(self, work: Work, progress: loop.Progress) -> Iterator[Ended]:
        """Log and save members, and end those that are done, after a piece of an epoch."""
        trainer, step = self.trainer, progress.position.step
        self.position = progress.position
        # A loop and not jax.tree, which would sort the names.
        evaluated = {
            split: {name: measures.Ratio(*jax.device_get(ratio)) for name, ratio in part.items()}
            for split, part in (progress.evaluated or {}).items()
        }
        now = time.perf_counter()  # The metrics are here: their evaluation has ended.
        share = (now - self.began) / len(self.runs)
        arrays = None
        if evaluated or progress.stopped:
            arrays = to_host((progress.position.state, progress.position.totals))
        splits: Splits = {}
        for slot in list(self.alive):
            seconds, nonfinite = self.before[slot] + share, progress.first_nonfinite_step[slot]
            measured = {
                split: {name: member(ratio, slot) for name, ratio in metrics.items()}
                for split, metrics in evaluated.items()
            }
            if nonfinite == NO_STEP and not finite(measured):
                nonfinite = step
            if nonfinite != NO_STEP:
                yield self._diverged(slot, int(nonfinite), seconds)
            elif measured:
                splits = {split: measures.values(m) for split, m in measured.items()}
                position = self._position(slot, arrays)
                self._log(slot, work, progress, splits, seconds, position.state)
                self._keep(slot, Snapshot(position, seconds, splits))
        trainer.under_way(len(self.runs) * progress.epoch / trainer.until)
        if self.display:
            self.display.progress(progress, splits)
        if progress.stopped and progress.epoch < trainer.until:
            for slot in list(self.alive):
                seconds = self.before[slot] + share
                if not evaluated:
                    self.last[slot] = Snapshot(self._position(slot, arrays), seconds, {})
                yield self._end(slot)
        elif evaluated:
            # The best is written too, or a training that is killed would not have it when resumed.
            unsaved = [(slot, one) for slot in self.alive for one in self._unsaved(slot)]
            if now - self.saved_at > SHARE * trainer.write_seconds * len(unsaved):
                self.saved_at = now
                for slot, snapshot in unsaved:
                    self._save(slot, snapshot)

    def _position(self, slot: int, arrays: Any) -> Position:
        """The position of one member, as if it were alone."""
        state, totals = member(arrays, slot)
        return Position(state, self.position.step, totals, self.position.stage)

    def _log(
        self,
        slot: int,
        work: Work,
        progress: loop.Progress,
        splits: Splits,
        seconds: float,
        state: Any,
    ) -> None:
        stage = work.stage.name if len(self.trainer.works) > 1 else None
        epoch, rate = round(progress.epoch), progress.examples_per_second
        if self.trainer.leads:
            step, learning = self.position.step, None
            if self.trainer.alone and work.number == self.trainer.works[-1].number:
                learning = learning_rate(self.trainer.group.configs[0], work, step)
            arrays = {}
            if self.trainer.outputs.histograms:
                arrays = {
                    "/".join(path) or "array": array for path, array in parameters(state).items()
                }
            written = rows(epoch, step, stage, splits, rate, seconds)
            self.logs[slot].write(written, learning, arrays)

    def _keep(self, slot: int, snapshot: Snapshot) -> None:
        """Keep a member's position at the end of an epoch, also as the best if it is."""
        value = score(self.trainer.group.experiment.objective, snapshot.splits)
        self.last[slot] = snapshot._replace(score=value)
        if value < self.best_score[slot]:
            self.best[slot], self.best_score[slot] = self.last[slot], value

    def _unsaved(self, slot: int) -> list[Snapshot]:
        """The best and the last position of a member, by step, where they are not yet written."""
        kept = [one for one in (self.best.get(slot), self.last.get(slot)) if one]
        by_step = {one.position.step: one for one in kept}
        return [by_step[step] for step in sorted(by_step) if step not in self.saves[slot]]

    def _save(self, slot: int, snapshot: Snapshot) -> None:
        """Have a checkpoint written by the trainer's thread."""
        saves = self.saves[slot]
        for save in saves.values():
            if save is not None and save.done():
                save.result()  # Raises what writing has raised.
        if self.trainer.leads:
            saves[snapshot.position.step] = self.trainer.save(self.runs[slot], snapshot)

    def _end(self, slot: int) -> Ended:
        """Save a member and write its result: completed, or interrupted for now."""
        trainer, snapshot = self.trainer, self.last[slot]
        step, splits = snapshot.position.step, snapshot.splits
        completed = step == trainer.works[-1].last_step
        if completed:
            trained = trainer.trained(self.alive[slot], snapshot.position)
            measured = measures_of(trainer.group.experiment, trained)
            numbers = [value for value in measured.values() if isinstance(value, float)]
            if not all(map(math.isfinite, numbers)):
                return self._diverged(slot, step, snapshot.seconds)
            splits = merge(splits, measured)
        status = "completed" if completed else "interrupted"
        return self._finish(slot, result_of(status, step, snapshot.seconds, splits))

    def _diverged(self, slot: int, step: int, seconds: float) -> Ended:
        """Save a member's last good epoch and record the step at which it diverged."""
        return self._finish(slot, result_of("diverged", step, seconds, {}))

    def _finish(self, slot: int, result: dict[str, Any]) -> Ended:
        """Have the thread write what is left of a member: its best, its last and the result."""
        trainer, run = self.trainer, self.runs[slot]
        number, folder = self.alive.pop(slot), run / run_directory.CHECKPOINTS
        unsaved, completed = self._unsaved(slot), result["status"] == "completed"
        if completed and trainer.outputs.checkpoints != "all":
            best = self.best.get(slot) if trainer.outputs.checkpoints == "best" else None
            unsaved = [snapshot for snapshot in unsaved if snapshot is best]
        for snapshot in unsaved:
            self._save(slot, snapshot)

        def write() -> dict[str, Any]:
            for save in self.saves[slot].values():
                if save is not None:
                    save.result()
            if result["status"] == "diverged":
                last = checkpoint.latest(folder, trainer.warn)
                result["checkpoint"] = str(last.path.relative_to(run)) if last else None
            if trainer.leads:
                if completed:
                    checkpoint.keep(folder, trainer.outputs.checkpoints)
                self.logs[slot].close(trainer.group.configs[number], result)
                if completed:
                    result["rows"] = run_directory.count_rows(run)
                run_directory.write_result(run, result)
            return result

        def finish() -> dict[str, Any]:
            try:
                return write()
            except BaseException as error:
                if trainer.leads:
                    self.logs[slot].abandon()
                    run_directory.write_failure(run, error)
                raise

        return number, trainer.writer.submit(finish)
