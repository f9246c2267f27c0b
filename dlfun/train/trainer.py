"""Trains the members of a group, in chunks that run in lockstep."""

import collections
import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import jax

from dlfun import config as configs
from dlfun.errors import is_out_of_memory
from dlfun.experiment import Stage, Trained
from dlfun.metrics import Metrics
from dlfun.train import checkpoint, loop, onward, run_directory
from dlfun.train.chunks import choose_size
from dlfun.train.compile import REPLICATED, Programs, compile_learner
from dlfun.train.lockstep import Ended, Lockstep, Snapshot, result_of
from dlfun.train.logging import Display
from dlfun.train.loop import Position, Work
from dlfun.train.options import Options
from dlfun.train.population import Group

WRITE_SECONDS = 0.02
"""Assumed duration of writing the first checkpoint; later ones are measured."""


AMONG = "among: "
"""Before a structure among the measured sizes, the number of members that there were."""


class Member(NamedTuple):
    """A training to be done."""

    config: Any
    run: Path


class Outputs(NamedTuple):
    """The files that a training writes beside config.json, metrics.jsonl and result.json."""

    checkpoints: checkpoint.Kept = "all"
    events: bool = True
    """TensorBoard's events."""
    histograms: bool = False
    """Histograms of the parameters in the events, after each epoch."""


DEFAULT_OUTPUTS = Outputs()


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


class GroupTrainer:
    """Trains the members of one structure; a thread writes what they leave."""

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
        first: Mapping[Any, Any] | None = None,
        outputs: Outputs = DEFAULT_OUTPUTS,
        under_way: Callable[[float], None] = lambda trainings: None,
    ) -> None:
        """Make or check the run directories.

        `options` are settled, `until` is the epoch to stop after, `note` prints a line for the
        user, and only a process that `leads` writes. `first` are arrays to start from, by their
        paths among `parameters`, where a member is trained alone. `under_way` is called with what
        is done of the members that are trained now.
        """
        self.group, self.members, self.options = group, members, options
        self.note, self.leads, self.alone = note, leads, len(members) == 1
        self.first, self.outputs, self.under_way = first or {}, outputs, under_way
        self.works = works(group.stages())
        last = self.works[-1].last_epoch
        self.until = last if until is None else min(until, last)
        self.write_seconds = WRITE_SECONDS
        self.placed: dict[int, Stage] = {}
        self.compiled: dict[int, Programs] = {}
        self.firsts: dict[int, loop.FirstState] = {}
        self.zeros: dict[int, Metrics] = {}
        for one in members if leads else []:
            run_directory.make_directory(one.run)
            config = configs.to_dict(one.config)
            run_directory.open_run(one.run, description | {"config": config})

    def train(
        self, sizes: dict[str, int], stop: Callable[[], bool], display: Display | None = None
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        """(number, result) of each member, in chunks of those that stand at the same step.

        `sizes` are members at once by structure, as measured before; what is measured is added.
        """
        pending: dict[tuple[int, int], list[int]] = {}
        for number, one in enumerate(self.members):
            result = run_directory.read_result(one.run)
            saved = checkpoint.latest(one.run / run_directory.CHECKPOINTS, self.warn)
            if result.get("status") in run_directory.FINAL:
                yield number, result
            elif saved and self.works[-1].last_step > saved.step >= self._last_step():
                yield number, result_of("interrupted", saved.step, saved.seconds, saved.metrics)
            else:
                at = (saved.stage, saved.step) if saved else (0, 0)
                pending.setdefault(at, []).append(number)
        if not pending:
            return
        size, key = self._size(sizes, pending)
        spread = self.programs(0).members
        queue = [part[i : i + size] for part in pending.values() for i in range(0, len(part), size)]
        with ThreadPoolExecutor(1) as self.writer:
            ended: collections.deque[Ended] = collections.deque()
            while queue and not stop():
                chunk = queue.pop(0)
                try:
                    ended += self._train_chunk(chunk, size, stop, display)
                except jax.errors.JaxRuntimeError as error:
                    if not is_out_of_memory(error) or size <= spread:
                        raise
                    size = sizes[key] = max(spread, size // 2 // spread * spread)
                    sizes[AMONG + key] = size + 1
                    self.note(f"{len(chunk)} members do not fit in memory: now {size} at once")
                    parts = [chunk, *queue]
                    queue = [p[i : i + size] for p in parts for i in range(0, len(p), size)]
                while ended and ended[0][1].done():
                    number, written = ended.popleft()
                    yield number, written.result()
            for number, written in ended:
                yield number, written.result()

    def warn(self, text: str) -> None:
        """Print a warning."""
        self.note(f"warning: {text}")

    def begin(
        self, numbers: Sequence[int]
    ) -> tuple[Position, list[checkpoint.CheckpointInfo | None]]:
        """The position of some members that stand at one step, and the checkpoint of each."""
        folders = [self.members[n].run / run_directory.CHECKPOINTS for n in numbers]
        saved = [checkpoint.latest(folder, lambda text: None) for folder in folders]
        if saved[0] is None:
            states = onward.put(self.first_states(0, numbers, None), self.first)
            return Position(states, 0, self.zero_totals(0, len(numbers))), saved
        stage = saved[0].stage
        like = first_position(self.group.stages(), stage, self.programs(stage).rows)
        positions = [checkpoint.restore(one, like) for one in saved if one]
        states = loop.stack([position.state for position in positions])
        totals = loop.stack([position.totals for position in positions])
        return positions[0]._replace(state=states, totals=totals), saved

    def first_states(self, number: int, numbers: Sequence[int], previous: Any) -> Any:
        """The states of some members at the start of a stage, after the states before it."""
        work, group = self.work(number, numbers), self.group
        if number not in self.firsts:
            self.firsts[number] = loop.compile_first_state(
                lambda values: group.stages(values)[number], work.stage.dataset
            )
        return loop.first_states(self.firsts[number], work, group.values(numbers), previous)

    def zero_totals(self, number: int, count: int) -> Metrics:
        """Training totals of `count` members at the start of a stage."""
        if number not in self.zeros:
            stage, rows = self.works[number].stage, self.programs(number).rows
            self.zeros[number] = loop.zero_totals(stage.learner, stage.dataset, rows)
        return loop.stack([self.zeros[number]] * count)

    def trained(self, number: int, position: Position) -> Trained:
        """A member at its end."""
        config, data = self.group.configs[number], self.group.data
        learner = self.group.experiment.stages(config, data)[-1].learner
        return Trained(config, data, learner, position.state, position.step)

    def save(self, run: Path, snapshot: Snapshot) -> Future:
        """Have the thread write a checkpoint."""

        def write() -> None:
            began = time.perf_counter()
            checkpoint.save(run / run_directory.CHECKPOINTS, *snapshot)
            self.write_seconds = time.perf_counter() - began

        return self.writer.submit(write)

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

    def work(self, number: int, numbers: Sequence[int]) -> Work:
        """A stage for some members, its data on the devices for all the chunks to come."""
        work = self.works[number]
        if number not in self.placed:
            dataset = work.stage.dataset
            if not self.alone:
                put = self.programs(number).put
                # A loop and not one tree, in which JAX would sort the names of the splits.
                splits = {name: put(split, REPLICATED) for name, split in dataset.splits.items()}
                dataset = dataset._replace(splits=splits)
            self.placed[number] = work.stage._replace(dataset=dataset)
        return work._replace(stage=self.placed[number], seeds=self.group.seeds(numbers))

    def _last_step(self) -> int:
        """The step at which the epoch `until` is done."""
        work = next(work for work in self.works if self.until <= work.last_epoch)
        return work.first_step + (self.until - work.first_epoch) * work.steps_per_epoch

    def _size(self, sizes: dict[str, int], pending: Mapping[Any, Sequence[int]]) -> tuple[int, str]:
        """Members at once, a multiple of the devices, and their structure, the key in `sizes`."""
        key = self.group.structure
        if self.alone:
            return 1, key
        spread, count = self.programs(0).members, sum(map(len, pending.values()))
        if sizes.get(key, 0) >= sizes.get(AMONG + key, 0) < count:  # More at once may pay.
            size = sizes[key] = choose_size(self, max(pending.values(), key=len))
            sizes[AMONG + key] = count
            self.note(f"{count} trainings share a program, {min(size, count)} at once")
        return max(spread, sizes[key] // spread * spread), key

    def _train_chunk(
        self, chunk: list[int], size: int, stop: Callable[[], bool], display: Display | None
    ) -> list[Ended]:
        """Train members that stand at one step; the last is repeated to fill the chunk.

        What they leave is written by the thread, while the next chunk is being trained.
        """
        filled = [chunk[min(slot, len(chunk) - 1)] for slot in range(size)]
        runs = [self.members[number].run for number in chunk if self.leads]
        locks = contextlib.ExitStack()
        try:
            for run in runs:
                locks.enter_context(run_directory.locked(run))
            ended = list(Lockstep(self, chunk, filled, display).train(stop))
            if self.alone:
                ended[0][1].result()
        except BaseException as error:
            if not is_out_of_memory(error):
                for run in runs:
                    if run_directory.read_result(run).get("status") == "running":
                        run_directory.write_failure(run, error)
            locks.close()
            raise
        self.writer.submit(locks.close)
        return ended
