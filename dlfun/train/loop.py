"""The training loop of a stage, the same for every learner.

An epoch is a compiled loop over batches. It is called in pieces, with the bounds of the piece as
arguments, so that long epochs report; the lengths of the pieces change nothing in the result.
Several members are trained in lockstep; one training is a loop of one member.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils

from dlfun.data.dataset import Dataset
from dlfun.data.encoded_images import is_encoded
from dlfun.experiment import Stage
from dlfun.learner import Learner
from dlfun.metrics import Metrics, add, values
from dlfun.random import stream
from dlfun.train import batches
from dlfun.train.batches import Order, Window
from dlfun.train.compile import (
    BY_MEMBER,
    BY_MEMBER_AND_DEVICE,
    EXAMPLES_BY_DEVICE,
    INDICES,
    NO_STEP,
    REPLICATED,
    Programs,
    Values,
    compile_learner,
    to_host,
    zeros,
)
from dlfun.train.gather import gather

SECONDS = 0.5
"""Target duration of a piece of an epoch: often enough to report, stop and save."""

Loop = Literal["compiled", "python"]


FirstState = Callable[[Values, jax.Array, Any], Any]


class Position(NamedTuple):
    """All that a training needs to go on to the same bits."""

    state: Any
    step: int
    """Updates done since the start of training."""
    totals: Metrics
    """Training metrics of the epoch so far, a row a device: they are added up only when read, so
    that the places where an epoch was cut into pieces leave no trace in the rounding."""
    stage: int = 0


class Work(NamedTuple):
    """A stage as it is trained: for one or more seeds, after the stages before it."""

    stage: Stage
    seeds: tuple[int, ...]
    """The random seed of each member."""
    number: int = 0
    first_step: int = 0
    first_epoch: int = 0
    """Steps and epochs of the stages before."""

    @property
    def steps_per_epoch(self) -> int:
        """Updates in an epoch, the last perhaps of a smaller batch."""
        return self.stage.dataset.steps_per_epoch(self.stage.batch_size)

    @property
    def last_step(self) -> int:
        """The number of updates done when the stage is at its end."""
        return self.first_step + self.stage.epochs * self.steps_per_epoch

    @property
    def last_epoch(self) -> int:
        """The number of epochs done when the stage is at its end."""
        return self.first_epoch + self.stage.epochs

    def keys(self, name: str) -> jax.Array:
        """The key of the random stream `name` of each member, [members]."""
        # The first stage has the streams of a training without stages.
        name = name if self.number == 0 else f"{self.number}/{name}"
        return stream(self.seeds, name)


class Progress(NamedTuple):
    """The state of a training after each piece of an epoch; arrays have a first axis of members."""

    position: Position
    """Its state and totals have a first axis of members."""
    epoch: float
    """Epochs done, of all stages."""
    examples_per_second: float
    """Pace of all members together."""
    totals: Metrics
    """Training metrics of the epoch so far."""
    evaluated: dict[str, Metrics] | None
    """The metrics of each split, training first, at the end of an epoch; else None."""
    first_nonfinite_step: np.ndarray
    """The first step of each member whose metrics were not finite; else `NO_STEP`."""
    stopped: bool = False
    """True if `stop` returned True, in this process or another."""


def sample_batch(dataset: Dataset) -> dict[str, jax.Array]:
    """A batch of one training example, for `init`."""
    data = dataset.splits["train"]
    return gather({k: jnp.asarray(v[:1]) for k, v in data.items()}, jnp.zeros(1, jnp.int32))


def zero_totals(learner: Learner, dataset: Dataset, rows: int = 1) -> Metrics:
    """Training totals of one member before its first update, with `rows` rows."""
    batch, key = sample_batch(dataset), jax.random.key(0)

    def measured() -> Metrics:
        return learner.update(learner.init(key, batch), batch, key)[1]

    return jax.tree.map(lambda t: np.zeros((rows, *t.shape), t.dtype), zeros(measured))


def measured_names(learner: Learner, dataset: Dataset) -> dict[str, set[str]]:
    """The names of what a learner measures on each split; nothing is computed."""
    batch, key = sample_batch(dataset), jax.random.key(0)

    def measured() -> tuple[Metrics, Metrics]:
        state = learner.init(key, batch)
        return learner.update(state, batch, key)[1], learner.evaluate(state, batch, key)

    training, held_out = jax.eval_shape(measured)
    return {split: set(training if split == "train" else held_out) for split in dataset.splits}


def compile_first_state(make: Callable[[Values], Stage], dataset: Dataset) -> FirstState:
    """The compiled function (values, key, previous) → a member's state at the start of a stage.

    `make` gives a member's stage from its values; `previous` is its state at the end of the stage
    before, None in the first.
    """
    batch = sample_batch(dataset)

    def first(values: Values, key: jax.Array, previous: Any) -> Any:
        stage = make(values)
        fresh = stage.learner.init(key, batch)
        return fresh if previous is None else stage.begin(previous, fresh)

    return jax.jit(first)


def first_states(
    first: FirstState, work: Work, member_values: Values | None = None, previous: Any = None
) -> Any:
    """The states of all members at the start of a stage, on the host, with a first axis of members.

    Each member is started alone, so that it starts from the same bits as without others.
    """
    keys, values = work.keys("init"), member_values or {}
    states = []
    for number in range(len(work.seeds)):
        before = None if previous is None else member(previous, number)
        states.append(to_host(first(member(values, number), keys[number], before)))
    return stack(states)


def start(work: Work, programs: Programs) -> Position:
    """The position of all members before the first update, where they have no values."""
    states = first_states(compile_first_state(lambda _: work.stage, work.stage.dataset), work)
    totals = zero_totals(work.stage.learner, work.stage.dataset, programs.rows)
    return Position(states, work.first_step, stack([totals] * len(work.seeds)), work.number)


def evaluation_batch(stage: Stage) -> int:
    """Examples evaluated at once; of encoded images only as many as a training step has held."""
    return stage.batch_size if is_encoded(stage.dataset) else batches.EVALUATION_BATCH


def fit(
    work: Work,
    position: Position,
    programs: Programs,
    member_values: Values | None = None,
    *,
    loop: Loop = "compiled",
    until: int | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[Progress]:
    """Train from `position` to the end of a stage, yielding `Progress` after each piece.

    The caller logs, saves and may stop between two pieces. A state that was yielded is overwritten
    by the next piece: copy what is to be kept. Ends early once the metrics of every member have not
    been finite.

    Args:
        work: what is trained.
        position: where to begin; its state and totals have a first axis of members.
        programs: `compile_learner` of the stage's learner.
        member_values: the float hyperparameters that are inputs of the programs, [members].
        loop: `compiled`, or `python` for one call a step.
        until: the epoch to stop after, counted from the start of training; by default the stage's
            last.
        stop: called after each piece; once it returns True in any process, each yields `stopped`
            and ends.
    """
    stage, first, per_epoch = work.stage, work.first_step, work.steps_per_epoch
    until = work.last_epoch if until is None else min(until, work.last_epoch)
    last = first + per_epoch * (until - work.first_epoch)
    hyperparameters = programs.put(member_values or {}, BY_MEMBER)
    keys = programs.put(work.keys("update"), BY_MEMBER)
    state = programs.put(position.state, BY_MEMBER)
    by_row = BY_MEMBER_AND_DEVICE if programs.rows > 1 else BY_MEMBER
    totals = programs.put(position.totals, by_row)
    zero = jax.tree.map(lambda total: np.zeros(total.shape, total.dtype), position.totals)
    evaluate = evaluation(work, programs, hyperparameters)
    step, rate = position.step, 0.0
    nonfinite = np.full(len(work.seeds), NO_STEP)
    before = time.perf_counter()
    for data, window in _windows(work, programs, range(step - first, last - first)):
        indices = _put_indices(programs, window)
        begin = first + window.first
        inputs = (data, indices, keys, np.int32(begin))
        while step < begin + window.steps:
            done, left = step - begin, begin + window.steps - step
            if not rate:
                # Compiled before the clock starts, with a piece of no step.
                bounds = (np.int32(0), np.int32(0))
                state, totals, _ = programs.train(hyperparameters, state, totals, *inputs, *bounds)
                before = time.perf_counter()
            piece = min(left, max(1, round(rate * SECONDS)) if loop == "compiled" else 1)
            bounds = (np.int32(done), np.int32(done + piece))
            state, totals, now = programs.train(hyperparameters, state, totals, *inputs, *bounds)
            nonfinite = np.minimum(nonfinite, np.asarray(now))
            rate, stopped = _synchronize(piece / (time.perf_counter() - before), stop())
            step += piece
            so_far, evaluated = programs.total(totals), None
            lost = bool((nonfinite != NO_STEP).all())
            if (step - first) % per_epoch == 0 and not lost:
                evaluated = {"train": so_far} | evaluate(state)
                totals = programs.put(zero, by_row)
            yield Progress(
                _position(work, programs, state, totals, step),
                work.first_epoch + (step - first) / per_epoch,
                rate * stage.batch_size * len(work.seeds),
                so_far,
                evaluated,
                nonfinite,
                stopped,
            )
            if lost or stopped:
                return
            before = time.perf_counter()  # Waiting for the next window is part of the next piece.


def _position(work: Work, programs: Programs, state: Any, totals: Metrics, step: int) -> Position:
    state, totals = programs.without_replicas(state, totals)
    return Position(state, step, totals, work.number)


def _synchronize(rate: float, stop: bool) -> tuple[float, bool]:
    """The pace and the decision to stop of all processes, which must run the same pieces."""
    if jax.process_count() == 1:
        return rate, stop
    all_processes = multihost_utils.process_allgather(np.array([rate, stop]))
    return float(all_processes[0, 0]), bool(all_processes[:, 1].any())


def _windows(
    work: Work, programs: Programs, steps: range
) -> Iterator[tuple[dict[str, jax.Array], Window]]:
    """The batches numbered `steps` of a stage, with the data that they index on the devices."""
    if not steps:
        return
    stage = work.stage
    order = Order(stage.dataset, work.seeds, stage.batch_size, programs.devices, work.first_epoch)
    if programs.feed == "stream":
        for window in batches.from_stream(order, steps):
            yield programs.put_batches(window.data, EXAMPLES_BY_DEVICE), window
        return
    data = programs.put(stage.dataset.splits["train"], REPLICATED)
    for window in batches.from_memory(order, steps):
        yield data, window


def _put_indices(programs: Programs, window: Window) -> jax.Array:
    put = programs.put if window.data is None else programs.put_batches
    return put(window.indices, INDICES)


def evaluation(
    work: Work, programs: Programs, hyperparameters: Values
) -> Callable[[Any], dict[str, Metrics]]:
    """A function from states on the devices to the metrics of every held-out split."""
    dataset = work.stage.dataset
    keys = programs.put(work.keys("evaluate"), BY_MEMBER)
    size = evaluation_batch(work.stage)
    held_out = {
        name: batches.evaluation_order(dataset, name, size, programs.devices)
        for name in dataset.splits
        if name != "train"
    }

    def put(name: str) -> list[tuple[Any, Any, np.int32]]:
        data = programs.put(dataset.splits[name], REPLICATED)
        return [(data, programs.put(held_out[name], EXAMPLES_BY_DEVICE), np.int32(0))]

    in_memory = {name: put(name) for name in held_out if programs.feed == "memory"}

    def streamed(name: str) -> Iterator[tuple[Any, Any, np.int32]]:
        for window in batches.evaluation_windows(dataset.splits[name], held_out[name]):
            data = programs.put_batches(window.data, EXAMPLES_BY_DEVICE)
            indices = programs.put_batches(window.indices[:, 0], EXAMPLES_BY_DEVICE)
            yield data, indices, np.int32(window.first)

    def evaluate(state: Any) -> dict[str, Metrics]:
        measured: dict[str, Metrics] = {}
        for name in held_out:
            for data, indices, first in in_memory.get(name) or streamed(name):
                part = programs.evaluate(hyperparameters, state, data, indices, keys, first)
                part = jax.device_get(part)  # Waits, as the docstring of `compile` says.
                measured[name] = add(measured[name], part) if name in measured else part
        return measured

    return evaluate


def evaluate(work: Work, state: Any, programs: Programs | None = None) -> dict[str, dict[str, Any]]:
    """Metrics of one state on every split but the training one; by default on one device."""
    programs = programs or compile_learner(lambda _: work.stage.learner)
    states = programs.put(jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], state), BY_MEMBER)
    measured = evaluation(work, programs, programs.put({}, BY_MEMBER))(states)
    return {split: values(member(metrics, 0)) for split, metrics in measured.items()}


def member(tree: Any, number: int) -> Any:
    """The part of a tree that is one member's."""
    return jax.tree.map(lambda leaf: leaf[number], tree)


def stack(trees: Sequence[Any]) -> Any:
    """Trees of several members as one, with a first axis of members."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)
