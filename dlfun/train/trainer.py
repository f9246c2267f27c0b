"""Trains the members of a group, stage after stage: checkpoints, logs, divergence, interruption."""

import collections
import contextlib
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from dlfun import config as configs
from dlfun import metrics as measures
from dlfun.experiment import Experiment, Objective, Stage, Trained
from dlfun.random import stream
from dlfun.train import checkpoint, loop, run_directory
from dlfun.train.chunks import choose_size, does_not_fit
from dlfun.train.compile import NO_STEP, REPLICATED, Programs, compile_learner, to_host
from dlfun.train.logging import Display, Log, Splits, rows
from dlfun.train.loop import Position, Work, member
from dlfun.train.options import Options
from dlfun.train.population import Group

SHARE = 20
"""Minimum ratio of the time between two checkpoints to the time that writing one takes:
checkpoints take at most a twentieth of a training."""
WRITE_SECONDS = 0.02
"""Assumed duration of writing the first checkpoint; later ones are measured."""


class Member(NamedTuple):
    """A training to be done."""

    config: Any
    run: Path


class Snapshot(NamedTuple):
    """A member at the end of an epoch, on the host."""

    position: Position
    seconds: float
    splits: Splits
    score: float


def works(stages: Sequence[Stage], seeds: tuple[int, ...] = ()) -> list[Work]:
    """The stages as they are trained for these seeds, each after those before it."""
    chain: list[Work] = []
    for number, stage in enumerate(stages):
        before = chain[-1] if chain else None
        step, epoch = (before.last_step, before.last_epoch) if before else (0, 0)
        chain.append(Work(stage, seeds, number, step, epoch))
    return chain


def first_position(stages: Sequence[Stage], number: int, rows: int = 1) -> Position:
    """The position of one member at the start of a stage, as shapes: nothing is computed."""

    def state() -> Any:
        previous = None
        for stage in stages[: number + 1]:
            fresh = stage.learner.init(jax.random.key(0), loop.sample_batch(stage.dataset))
            previous = fresh if previous is None else stage.begin(previous, fresh)
        return previous

    stage = stages[number]
    totals = loop.zero_totals(stage.learner, stage.dataset, rows)
    return Position(jax.eval_shape(state), 0, totals, number)


def score(objective: Objective, splits: Mapping[str, Mapping[str, Any]]) -> float:
    """The number by which checkpoints are compared, lower is better.

    The objective's metric of the validation split where there is one, else of the training split;
    infinite where it is not there.
    """
    value = (splits.get("validation") or splits.get("train") or {}).get(objective.metric)
    if not isinstance(value, float) or not math.isfinite(value):
        return math.inf
    return value if objective.goal == "min" else -value


def measures_of(experiment: Experiment, trained: Trained) -> dict[str, float]:
    """The results of `experiment.measure` at the end of a training, by split/name."""
    if experiment.measure is None:
        return {}
    key = stream(trained.config.seed, "measure")
    return {path: float(value) for path, value in experiment.measure(trained, key).items()}


def merge(splits: Splits, measured: Mapping[str, float]) -> Splits:
    """Metrics by split with measures by split/name among them."""
    merged = {split: dict(metrics) for split, metrics in splits.items()}
    for path, value in measured.items():
        split, _, name = path.partition("/")
        merged.setdefault(split, {})[name] = value
    return merged


def result_of(status: str, step: int, seconds: float, metrics: Splits) -> dict[str, Any]:
    """The contents of result.json."""
    return {"status": status, "step": step, "seconds": round(seconds, 3), "metrics": metrics}


class GroupTrainer:
    """Trains the members of one structure, in chunks that run in lockstep."""

    def __init__(
        self,
        group: Group,
        members: Sequence[Member],
        options: Options,
        description: dict[str, Any],
        *,
        until: int | None = None,
        note: Callable[[str], None] = lambda text: None,
        leads: bool = True,
    ) -> None:
        """`options` are settled; `until` is the epoch to stop after; `leads` says if it writes."""
        self.group, self.members, self.options = group, members, options
        self.description, self.note, self.leads = description, note, leads
        self.works = works(group.stages())
        last = self.works[-1].last_epoch
        self.until = last if until is None else min(until, last)
        self.write_seconds = WRITE_SECONDS
        self.alone = len(members) == 1
        self.placed: dict[int, Stage] = {}
        self.compiled: dict[int, Programs] = {}
        self.writes: list[Future] = []

    def open(self) -> None:
        """Make the run directories, or check that they hold these trainings."""
        for one in self.members:
            run_directory.make_directory(one.run)
            config = configs.to_dict(one.config)
            run_directory.open_run(one.run, self.description | {"config": config})

    def train(
        self, sizes: dict[str, int], stop: Callable[[], bool], display: Display | None = None
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        """(number, result) of each member, in chunks of those that stand at the same step.

        `sizes` are members at once by structure, as measured before; what is measured is added.
        """
        pending: dict[tuple[int, int], list[int]] = {}
        for number, one in enumerate(self.members):
            result = run_directory.read_result(one.run)
            if result.get("status") in ("completed", "diverged"):
                yield number, result
                continue
            saved = checkpoint.latest(one.run / run_directory.CHECKPOINTS, self.warn(display))
            stage, step = (saved.stage, saved.step) if saved else (0, 0)
            if saved and self.until < self.works[-1].last_epoch and step >= self._last_step():
                yield number, result_of("interrupted", step, saved.seconds, saved.metrics)
            else:
                pending.setdefault((stage, step), []).append(number)
        if not pending:
            return
        size, key = self._size(sizes, pending)
        spread = self.programs(0).members
        queue = [part[i : i + size] for part in pending.values() for i in range(0, len(part), size)]
        with ThreadPoolExecutor(1) as self.writer:
            ended: collections.deque[tuple[int, Future]] = collections.deque()
            while queue and not stop():
                chunk = queue.pop(0)
                try:
                    ended += self._train_chunk(chunk, size, stop, display)
                except jax.errors.JaxRuntimeError as error:
                    if not does_not_fit(error) or size <= spread:
                        raise
                    size = sizes[key] = max(spread, size // 2 // spread * spread)
                    self.note(f"{len(chunk)} members do not fit in memory: now {size} at once")
                    parts = [chunk, *queue]
                    queue = [p[i : i + size] for p in parts for i in range(0, len(p), size)]
                while ended and ended[0][1].done():
                    yield self._ended(*ended.popleft())
            for number, written in ended:
                yield self._ended(number, written)

    def _ended(self, number: int, written: Future) -> tuple[int, dict[str, Any]]:
        """The result of a member once it is written. Raises what writing has raised."""
        result = written.result()
        while self.writes and self.writes[0].done():
            self.writes.pop(0).result()
        return number, result

    def warn(self, display: Display | None) -> Callable[[str], None]:
        """A function that prints a warning where the training is shown."""
        note = display.note if display else self.note
        return lambda text: note(f"warning: {text}")

    def begin(
        self, numbers: Sequence[int]
    ) -> tuple[Position, list[checkpoint.CheckpointInfo | None]]:
        """The position of some members that stand at one step, and the checkpoint of each."""
        folders = [self.members[n].run / run_directory.CHECKPOINTS for n in numbers]
        saved = [checkpoint.latest(folder, lambda text: None) for folder in folders]
        if saved[0] is None:
            states = self.first_states(0, numbers, None)
            return Position(states, 0, self.zero_totals(0, len(numbers))), saved
        stage = saved[0].stage
        like = first_position(self.group.stages(), stage, self.programs(stage).rows)
        positions = [checkpoint.restore(one, like) for one in saved if one]
        states = loop.stack([position.state for position in positions])
        totals = loop.stack([position.totals for position in positions])
        return positions[0]._replace(state=states, totals=totals), saved

    def zero_totals(self, number: int, count: int) -> measures.Metrics:
        """Training totals of `count` members at the start of a stage."""
        stage = self.works[number].stage
        totals = loop.zero_totals(stage.learner, stage.dataset, self.programs(number).rows)
        return loop.stack([totals] * count)

    def trained(self, number: int, position: Position) -> Trained:
        """A member at its end."""
        config, data = self.group.configs[number], self.group.data
        learner = self.group.experiment.stages(config, data)[-1].learner
        return Trained(config, data, learner, position.state, position.step)

    def save(self, run: Path, snapshot: Snapshot) -> None:
        """Have the writer's thread write a checkpoint."""

        def write() -> None:
            began = time.perf_counter()
            position, seconds, splits, value = snapshot
            folder = run / run_directory.CHECKPOINTS
            checkpoint.save(folder, position, seconds, splits, value)
            self.write_seconds = time.perf_counter() - began

        self.writes.append(self.writer.submit(write))

    def work(self, number: int, numbers: Sequence[int]) -> Work:
        """A stage for some members."""
        seeds = self.group.seeds(numbers)
        return self.works[number]._replace(stage=self._placed(number), seeds=seeds)

    def _size(self, sizes: dict[str, int], pending: Mapping[Any, Sequence[int]]) -> tuple[int, str]:
        """Members at once, a multiple of the devices that they are spread over."""
        values = dict.fromkeys(self.group.paths)
        key = repr(configs.to_dict(self.group.configs[0]) | values)
        if self.alone:
            return 1, key
        spread = self.programs(0).members
        if key not in sizes:
            numbers = [n for part in pending.values() for n in part]
            sizes[key] = choose_size(self, self.programs(0), numbers)
        return max(spread, sizes[key] // spread * spread), key

    def programs(self, number: int) -> Programs:
        """The compiled programs of a stage."""
        if number not in self.compiled:
            options, group = self.options, self.group
            self.compiled[number] = compile_learner(
                lambda values: group.stages(values)[number].learner,
                members=1 if self.alone else jax.local_device_count(),
                devices=options.devices or 1,
                parallel=options.parallel or "jit",
                feed=options.feed or "memory",
            )
        return self.compiled[number]

    def _placed(self, number: int) -> Stage:
        """A stage with its data on the devices, for all the chunks to come."""
        if number not in self.placed:
            stage = self.works[number].stage
            if not self.alone:
                splits = self.programs(number).put(stage.dataset.splits, REPLICATED)
                stage = stage._replace(dataset=stage.dataset._replace(splits=splits))
            self.placed[number] = stage
        return self.placed[number]

    def first_states(self, number: int, numbers: Sequence[int], previous: Any) -> Any:
        """The states of some members at the start of a stage, after the states before it."""
        work, values = self.work(number, numbers), self.group.values(numbers)
        return loop.first_states(work, lambda v: self.group.stages(v)[number], values, previous)

    def _last_step(self) -> int:
        """The step at which the epoch `until` is done."""
        work = next(work for work in self.works if self.until <= work.last_epoch)
        return work.first_step + (self.until - work.first_epoch) * work.steps_per_epoch

    def _train_chunk(
        self, chunk: list[int], size: int, stop: Callable[[], bool], display: Display | None
    ) -> list[tuple[int, Future]]:
        """Train members that stand at one step; the chunk is filled up by repeating its last.

        What they leave is written by a thread, while the next chunk is being trained.
        """
        filled = [chunk[min(slot, len(chunk) - 1)] for slot in range(size)]
        locks = contextlib.ExitStack()
        try:
            if self.leads:
                for number in chunk:
                    locks.enter_context(run_directory.locked(self.members[number].run))
            training = _Chunk(self, chunk, filled, display)
            ended = list(training.train(stop))
        except BaseException as error:
            if not (isinstance(error, jax.errors.JaxRuntimeError) and does_not_fit(error)):
                self._failed(chunk, error)
            locks.close()
            raise
        self.writer.submit(locks.close)
        return ended

    def _failed(self, chunk: list[int], error: BaseException) -> None:
        result = {"status": "failed", "error": str(error) or type(error).__name__}
        for number in chunk if self.leads else []:
            if run_directory.read_result(self.members[number].run).get("status") == "running":
                run_directory.write_result(self.members[number].run, result)


class _Chunk:
    """Members in lockstep, from their current step to their end."""

    def __init__(
        self,
        trainer: GroupTrainer,
        chunk: Sequence[int],
        filled: Sequence[int],
        display: Display | None,
    ) -> None:
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
                best = checkpoint.best(one.path.parent, trainer.warn(display))
                self.best_score[slot] = best.score if best else math.inf
        self.written = {slot: {self.position.step} for slot in self.alive}
        self.logs: dict[int, Log] = {}

    def train(self, stop: Callable[[], bool]) -> Iterator[tuple[int, Future]]:
        """(number, future result) of each member as it ends."""
        trainer, step = self.trainer, self.position.step
        if self.display and step:
            self.display.note(f"resuming from step {step}")
        if trainer.leads:
            for slot, run in enumerate(self.runs):
                self.logs[slot] = Log(run, step, live=trainer.alone)
                run_directory.write_result(run, {"status": "running"})
        self.began = self.saved_at = time.perf_counter()
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
            yield self._end(slot, self.last[slot])

    def _begin_stage(self, number: int) -> None:
        """Hand the states on to the next stage, whose checkpoints are compared among themselves."""
        trainer, step = self.trainer, self.position.step
        states = trainer.first_states(number, self.filled, to_host(self.position.state))
        totals = trainer.zero_totals(number, len(self.filled))
        self.position = Position(states, step, totals, number)
        self.best, self.best_score = {}, dict.fromkeys(self.alive, math.inf)

    def _after_piece(self, work: Work, progress: loop.Progress) -> Iterator[tuple[int, Future]]:
        """Log, save and end what is to be after a piece of an epoch."""
        trainer, step, now = self.trainer, progress.position.step, time.perf_counter()
        self.position = progress.position
        share = (now - self.began) / len(self.runs)
        # A loop and not jax.tree, which would sort the names.
        evaluated = {
            split: {name: measures.Ratio(*jax.device_get(ratio)) for name, ratio in part.items()}
            for split, part in (progress.evaluated or {}).items()
        }
        arrays = None
        if evaluated or progress.stopped:
            arrays = to_host((progress.position.state, progress.position.totals))
        several = len(trainer.works) > 1
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
                stage = work.stage.name if several else None
                epoch, rate = round(progress.epoch), progress.examples_per_second
                if trainer.leads:
                    self.logs[slot].write(rows(epoch, step, stage, splits, rate, seconds))
                self._keep(slot, self._position(slot, arrays), seconds, splits)
        if self.display:
            self.display.progress(progress, splits)
        if progress.stopped and progress.epoch < trainer.until:
            for slot in list(self.alive):
                snapshot = Snapshot(
                    self._position(slot, arrays), self.before[slot] + share, splits, math.inf
                )
                yield self._end(slot, self.last[slot] if splits else snapshot)
        elif evaluated and now - self.saved_at > SHARE * trainer.write_seconds * len(self.alive):
            self.saved_at = now
            for slot in self.alive:
                self._write(slot, self.last[slot])

    def _position(self, slot: int, arrays: Any) -> Position:
        """The position of one member, as if it were alone."""
        state, totals = member(arrays, slot)
        return Position(state, self.position.step, totals, self.position.stage)

    def _keep(self, slot: int, position: Position, seconds: float, splits: Splits) -> None:
        """Keep a member's position at the end of an epoch, as the best if it is."""
        value = score(self.trainer.group.experiment.objective, splits)
        self.last[slot] = Snapshot(position, seconds, splits, value)
        if value < self.best_score[slot]:
            self.best[slot], self.best_score[slot] = self.last[slot], value

    def _write(self, slot: int, snapshot: Snapshot) -> None:
        """Have a checkpoint written by the thread, unless it was."""
        if self.trainer.leads and snapshot.position.step not in self.written[slot]:
            self.written[slot].add(snapshot.position.step)
            self.trainer.save(self.runs[slot], snapshot)

    def _end(self, slot: int, snapshot: Snapshot) -> tuple[int, Future]:
        """Save a member and write its result: completed, or interrupted for now."""
        trainer, number, step = self.trainer, self.alive[slot], snapshot.position.step
        experiment, status, splits = trainer.group.experiment, "interrupted", snapshot.splits
        if step == trainer.works[-1].last_step:
            status = "completed"
            if experiment.measure:
                trained = trainer.trained(number, snapshot.position)
                measured = measures_of(experiment, trained)
                if not all(map(math.isfinite, measured.values())):
                    return self._diverged(slot, step, snapshot.seconds)
                splits = merge(splits, measured)
        del self.alive[slot]
        self._write_pending(slot, snapshot)
        result = result_of(status, step, snapshot.seconds, splits)
        return number, trainer.writer.submit(self._finish, slot, result)

    def _diverged(self, slot: int, step: int, seconds: float) -> tuple[int, Future]:
        """Save a member's last good epoch and record the step at which it diverged."""
        number = self.alive.pop(slot)
        self._write_pending(slot, self.last.get(slot))
        result = result_of("diverged", step, seconds, {})
        return number, self.trainer.writer.submit(self._finish, slot, result)

    def _write_pending(self, slot: int, snapshot: Snapshot | None) -> None:
        """Have the best checkpoint and another written, those that were not yet."""
        pending = {one.position.step: one for one in (self.best.get(slot), snapshot) if one}
        for step in sorted(pending):
            self._write(slot, pending[step])

    def _finish(self, slot: int, result: dict[str, Any]) -> dict[str, Any]:
        """Write the result of a member, after its checkpoints."""
        run, status = self.runs[slot], result["status"]
        folder = run / run_directory.CHECKPOINTS
        if status == "diverged":
            last = checkpoint.latest(folder, self.trainer.warn(self.display))
            result["checkpoint"] = str(last.path.relative_to(run)) if last else None
        if self.trainer.leads:
            if status == "completed":
                checkpoint.prune(folder, 1)
            self.logs[slot].close(complete=status != "interrupted")
            run_directory.write_result(run, result)
        return result


def finite(metrics: Mapping[str, measures.Metrics]) -> bool:
    """True if every sum and count of every split is finite."""
    return all(bool(np.isfinite(leaf).all()) for leaf in jax.tree.leaves(metrics))
