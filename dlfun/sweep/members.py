"""Trains the members of a population, each in a run directory of its own as if it were alone.

What a member finds is that of `launch.py train` with the same flags and `--devices 1`: the same
initial parameters to the bit, the same order of the data, and parameters that differ by rounding
alone (a vectorized product adds up in another order): to the bit where each device holds one
member, else within 1e-4 of their scale after an epoch of the MLP on MNIST, in the tests.
"""

import collections
import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from dlfun import config as configs
from dlfun import experiment as experiments
from dlfun import metrics as measures
from dlfun.errors import UserError
from dlfun.experiment import Experiment
from dlfun.random import stream
from dlfun.sweep.chunks import choose_size, does_not_fit
from dlfun.sweep.population import Group, Values, group
from dlfun.train import checkpoint, loop
from dlfun.train import run_directory as runs
from dlfun.train.compile import Programs, compile_population, to_host
from dlfun.train.driver import finite, outcome
from dlfun.train.logging import Log, write_events
from dlfun.train.options import Options
from dlfun.train.signals import stop_signal

SAVE_SECONDS = 60.0
"""A member is saved at the end of its training, and at ends of epochs this far apart."""


class Member(NamedTuple):
    """A training to be done."""

    config: Any
    run: Path


class Told(NamedTuple):
    """A member that has ended, completed or not, or has come to `until`."""

    number: int
    result: dict[str, Any]


def train_members(
    name: str,
    members: Sequence[Member],
    options: Options,
    command: str,
    *,
    until: int | None = None,
    sizes: dict[str, int] | None = None,
    note: Callable[[str], None] = lambda text: None,
) -> Iterator[Told]:
    """Train members of one experiment, as many at once as pay; each is told when it has ended.

    Args:
        name: the experiment.
        members: configurations and run directories; what was begun there goes on.
        options: only the precision is read: a member has one device and its data in memory.
        command: what config.json says made the run.
        until: the epoch to stop after, for now, with status `interrupted`.
        sizes: members at once by structure, as measured before; what is measured is added.
        note: told what the user should know.

    A signal stops all, saved, with status `interrupted`; KeyboardInterrupt follows.
    """
    options = dataclasses.replace(
        options, devices=1, parallel="jit", feed="memory", loop="compiled"
    )
    described = runs.describe(name, members[0].config, configs.to_dict(options), command)
    groups = group(experiments.load(name), [member.config for member in members])
    if any(loop.choose_feed(one.experiment) == "stream" for one in groups):
        raise UserError(
            f"{name}: a sweep shares its data on a device, and these do not fit there or are "
            "decoded as they are read: train each point by itself"
        )
    with stop_signal() as stopped:
        for one in groups:
            work = _Work(one, [members[n] for n in one.members], described, until, note)
            for number, result in work.train(sizes if sizes is not None else {}, stopped.is_set):
                yield Told(one.members[number], result)
        if stopped.is_set():
            raise KeyboardInterrupt


class _Work:
    """The members of one structure, and the programs that train them."""

    def __init__(
        self,
        group: Group,
        members: list[Member],
        described: dict[str, Any],
        until: int | None,
        note: Callable[[str], None],
    ) -> None:
        self.group, self.members, self.described, self.note = group, members, described, note
        self.epochs = group.experiment.epochs
        self.until = self.epochs if until is None else min(until, self.epochs)
        self.init, self.zeros = group.init(), jax.device_get(group.zeros())

    def train(
        self, sizes: dict[str, int], stop: Callable[[], bool]
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        """(number, result) of each member, in chunks of those that stand at the same step."""
        pending: dict[int, list[int]] = {}
        for number, member in enumerate(self.members):
            self._open(member)
            result = runs.read_result(member.run)
            if result.get("status") in ("completed", "diverged"):
                yield number, result
            else:
                saved = checkpoint.latest(member.run / runs.CHECKPOINTS, self.note)
                step = saved.step if saved else 0
                if saved and step >= loop.steps_per_epoch(self.group.experiment) * self.until:
                    yield number, outcome("interrupted", step, saved.seconds, saved.metrics)
                else:
                    pending.setdefault(step, []).append(number)
        if not pending:
            return
        devices = jax.local_device_count()
        programs = compile_population(self.group.make, devices)
        self.group = self.group.placed(programs)
        key = repr(configs.to_dict(self.group.configs[0]) | dict.fromkeys(self.group.paths))
        if key not in sizes:
            sizes[key] = choose_size(self, programs, [n for part in pending.values() for n in part])
        size = max(devices, sizes[key] // devices * devices)
        queue = [part[i : i + size] for part in pending.values() for i in range(0, len(part), size)]
        with ThreadPoolExecutor(1) as self.writer:
            ended: collections.deque[tuple[int, Future]] = collections.deque()
            while queue and not stop():
                chunk = queue.pop(0)
                try:
                    ended += self._train(chunk, size, programs, stop)
                except jax.errors.JaxRuntimeError as error:
                    if not does_not_fit(error) or size <= devices:
                        raise
                    size = sizes[key] = max(devices, size // 2 // devices * devices)
                    self.note(f"{len(chunk)} members do not fit in memory: now {size} at once")
                    parts = [chunk, *queue]
                    queue = [p[i : i + size] for p in parts for i in range(0, len(p), size)]
                while ended and ended[0][1].done():
                    number, written = ended.popleft()
                    yield number, written.result()
            for number, written in ended:
                yield number, written.result()

    def _open(self, member: Member) -> None:
        runs.make_directory(member.run)
        config = configs.to_dict(member.config)
        runs.open_run(member.run, self.described | {"config": config})

    def begin(self, numbers: Sequence[int]) -> tuple[loop.Position, list[float]]:
        """Where some members stand, together; and the seconds that each has been trained."""
        states, seconds, totals = [], [], []
        for number in numbers:
            member, values = self.members[number], self.group.values(number)
            state = jax.device_get(self.init(values, stream(member.config.seed, "init")))
            saved = checkpoint.latest(member.run / runs.CHECKPOINTS, self.note)
            position = loop.Position(state, 0, self.zeros)
            if saved:
                position = checkpoint.restore(saved, position)
            states.append((values, position.state))
            totals.append(jax.tree.map(lambda t: t[0], position.totals))
            seconds.append(saved.seconds if saved else 0.0)
        stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *states)
        total = jax.tree.map(lambda *leaves: np.stack(leaves), *totals)
        return loop.Position(stacked, position.step, total), seconds

    def _train(
        self, chunk: list[int], size: int, programs: Programs, stop: Callable[[], bool]
    ) -> list[tuple[int, Future]]:
        """Train members that stand at one step; the chunk is filled up by repeating its last.

        What they leave is written by a thread, while the next chunk is being trained.
        """
        filled = [chunk[min(i, len(chunk) - 1)] for i in range(size)]
        locks = contextlib.ExitStack()
        try:
            for number in chunk:
                locks.enter_context(runs.locked(self.members[number].run))
            position, before = self.begin(filled)
            for number in chunk:
                runs.write_json(self.members[number].run / runs.RESULT, {"status": "running"})
                runs.keep_metrics(self.members[number].run, position.step)
            experiment = self.group.population(filled)
            ended = list(self._fit(chunk, experiment, programs, position, before, stop))
        except BaseException:
            locks.close()
            raise
        self.writer.submit(locks.close)
        return ended

    def _fit(
        self,
        chunk: list[int],
        experiment: Experiment,
        programs: Programs,
        position: loop.Position,
        before: list[float],
        stop: Callable[[], bool],
    ) -> Iterator[tuple[int, Future]]:
        began = saved_at = time.perf_counter()
        alive = dict(enumerate(chunk))
        good, last = None, {}
        write = self.writer.submit
        for progress in loop.fit(experiment, position, programs, until=self.until, stop=stop):
            now = time.perf_counter()
            epoch, share = round(progress.epoch), (now - began) / len(chunk)
            step = progress.position.step
            evaluated = _by_member(progress.evaluated or {}, len(chunk))
            for slot, number in list(alive.items()):
                run, splits = self.members[number].run, evaluated[slot]
                seconds = before[slot] + share
                bad = int(progress.bad[slot]) if progress.bad[slot] != loop.NEVER else None
                if bad is None and not finite(splits):
                    bad = step
                if bad is not None:
                    del alive[slot]
                    yield number, write(self._diverged, run, bad, good, slot, seconds)
                elif splits:
                    rate = progress.examples_per_second
                    runs.append_metrics(run, Log.rows(epoch, step, splits, rate, seconds))
                    last[slot] = splits
            if not alive:
                return
            ends = step >= loop.steps_per_epoch(experiment) * self.until
            if ends or progress.stopped or (progress.evaluated and now - saved_at > SAVE_SECONDS):
                saved_at = now
                state, totals = to_host((progress.position.state, progress.position.totals))
                completed = ends and self.until == self.epochs
                status = "completed" if completed else "interrupted"
                for slot, number in alive.items():
                    run, seconds = self.members[number].run, before[slot] + share
                    splits = last.get(slot, {}) if progress.evaluated else {}
                    own = _of(state, totals, slot, step)
                    saved = write(checkpoint.save, run / runs.CHECKPOINTS, own, seconds, splits)
                    if ends or progress.stopped:
                        result = outcome(status, step, seconds, splits)
                        yield number, write(self._finish, run, saved, result)
            elif progress.evaluated:
                # The loop uses up the state; this is what a member that diverges is left with.
                kept = jax.tree.map(lambda leaf: leaf.copy(), progress.position.state)
                good = step, kept, dict(last)

    def _diverged(
        self, run: Path, step: int, good: Any, slot: int, seconds: float
    ) -> dict[str, Any]:
        """Record a member that diverged, with its state at the end of the last good epoch."""
        folder = run / runs.CHECKPOINTS
        if good is not None:
            at, state, metrics = good
            own = _of(to_host(state), None, slot, at)._replace(totals=self.zeros)
            checkpoint.save(folder, own, seconds, metrics.get(slot, {}))
        last = checkpoint.latest(folder, self.note)
        path = str(last.path.relative_to(run)) if last else None
        result = outcome("diverged", step, seconds, {}) | {"checkpoint": path}
        return self._finish(run, None, result)

    def _finish(self, run: Path, saved: Future | None, result: dict[str, Any]) -> dict[str, Any]:
        """Write the result of a member whose checkpoint is saved."""
        if saved is not None:
            saved.result()
        if result["status"] != "interrupted":
            write_events(run)
        runs.write_json(run / runs.RESULT, result)
        return result


def _of(state: tuple[Values, Any], totals: Any, slot: int, step: int) -> loop.Position:
    """The position of one member, as if it were alone on one device."""
    own = jax.tree.map(lambda leaf: leaf[slot], state[1])
    return loop.Position(own, step, jax.tree.map(lambda leaf: leaf[slot][None], totals))


def _by_member(evaluated: dict[str, Any], count: int) -> list[dict[str, dict[str, Any]]]:
    """Metrics of each split, for each member."""
    # A loop and not jax.tree, which would sort the names.
    on_host = {
        split: {name: measures.Ratio(*jax.device_get(ratio)) for name, ratio in found.items()}
        for split, found in evaluated.items()
    }
    return [
        {
            split: measures.values({n: measures.Ratio(t[slot], c[slot]) for n, (t, c) in f.items()})
            for split, f in on_host.items()
        }
        for slot in range(count)
    ]
