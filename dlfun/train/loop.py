"""The training loop: knows a learner's three functions and nothing of what is learned.

An epoch is a compiled loop over batches. It is called in pieces, with the bounds of the piece as
arguments, so that long epochs report; the pieces' lengths change nothing in the result.
"""

import functools
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils

from dlfun.data.encoded_images import is_encoded
from dlfun.experiment import Experiment
from dlfun.metrics import Metrics, add
from dlfun.random import stream
from dlfun.train.batches import (
    Feed,
    Window,
    batches,
    bytes_of,
    from_memory,
    from_stream,
    gather,
    order,
    widen,
)
from dlfun.train.compile import (
    FIRST,
    MEMBERS,
    NEVER,
    SECOND,
    SECOND_MEMBERS,
    WHOLE,
    Parallel,
    Programs,
    zeros,
)
from dlfun.train.compile import compile_programs as compile_learner

SECONDS = 0.5
"""How long a piece of an epoch should take: often enough to report, stop and save."""
EVALUATION_BATCH = 500
MEMORY_SHARE = 0.4
"""Of a device's memory, or of the machine's: a dataset that is larger is streamed."""

Loop = Literal["compiled", "python"]


class Position(NamedTuple):
    """Where a training stands: all that is needed to go on to the same bits."""

    state: Any
    step: int
    """Updates done since the start of training."""
    totals: Metrics
    """Training metrics of the epoch so far, one row a device: added up only when they are read, so
    that where an epoch was cut into pieces leaves no trace in the rounding."""


class Progress(NamedTuple):
    """What the loop tells after each piece of an epoch."""

    position: Position
    epoch: float
    """Epochs done."""
    examples_per_second: float
    seen: Metrics
    """Training metrics of the epoch so far."""
    evaluated: dict[str, Metrics] | None
    """At the end of an epoch: the metrics of each split, training first."""
    bad: np.ndarray
    """The first step whose loss was not finite, for each member of a population; else `NEVER`."""
    stopped: bool = False
    """Whether `stop` said so, to this process or another."""

    @property
    def diverged(self) -> int | None:
        """The first step whose loss was not finite, of one training."""
        return None if self.bad == NEVER else int(self.bad)


def steps_per_epoch(experiment: Experiment) -> int:
    """Updates in an epoch, the last perhaps of a smaller batch."""
    return experiment.dataset.steps_per_epoch(experiment.batch_size)


def choose_feed(experiment: Experiment) -> Feed:
    """`memory` for decoded data that fit on each device and into the machine; else `stream`."""
    if jax.process_count() > 1 or is_encoded(experiment.dataset):
        return "stream"
    size = sum(bytes_of(split) for split in experiment.dataset.splits.values())
    return "memory" if size <= memory_limit() else "stream"


def evaluation_batch(experiment: Experiment) -> int:
    """Examples evaluated at once; of large images only as many as a training step has held."""
    return experiment.batch_size if is_encoded(experiment.dataset) else EVALUATION_BATCH


def memory_limit() -> float:
    """Bytes that data, or the states of a population, may take of a device."""
    statistics = jax.local_devices()[0].memory_stats() or {}
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return MEMORY_SHARE * min(machine, statistics.get("bytes_limit", machine))


def usual(devices: int) -> Parallel:
    """How to split a batch where nothing was said: jit on one device, shard_map on more."""
    return "jit" if devices == 1 else "shard_map"


def compile_programs(
    experiment: Experiment,
    devices: int = 1,
    parallel: Parallel | None = None,
    feed: Feed = "memory",
) -> Programs:
    """Programs of an experiment's learner; by default in the `usual` way."""
    return compile_learner(experiment.learner, devices, parallel or usual(devices), feed)


def sample(experiment: Experiment) -> dict[str, jax.Array]:
    """A batch of one training example, for `init`."""
    data = experiment.dataset.splits["train"]
    return gather({k: jnp.asarray(v[:1]) for k, v in data.items()}, jnp.zeros(1, jnp.int32))


def start(experiment: Experiment, rows: int = 1) -> Position:
    """The position before the first update; `rows` as in `Programs`."""
    learner, batch = experiment.learner, sample(experiment)
    key = stream(experiment.seed, "init")
    state = jax.jit(learner.init)(key, batch)
    totals = zeros(lambda: learner.update(state, batch, key)[1])
    return Position(state, 0, jax.tree.map(lambda t: jnp.zeros((rows, *t.shape), t.dtype), totals))


def evaluate(
    experiment: Experiment, state: Any, programs: Programs | None = None
) -> dict[str, Metrics]:
    """Metrics of `state` on every split but the training one; by default on one device."""
    programs = programs or compile_programs(experiment)
    return _evaluation(experiment, programs)(programs.place(state, WHOLE))


def fit(
    experiment: Experiment,
    position: Position,
    programs: Programs | None = None,
    *,
    loop: Loop = "compiled",
    until: int | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[Progress]:
    """Train from `position` to the end of the last epoch, yielding `Progress` after each piece.

    The caller logs, saves and may stop between two pieces. A state that was yielded is used up by
    the next piece: copy what is to be kept. Ends early, with `Progress.diverged`, on a loss that is
    not finite; a population once every member has diverged.

    Args:
        experiment: what is trained; of a population, `seed` is a tuple of one seed a member.
        position: where to begin.
        programs: `compile_programs` of its learner; by default those for one device.
        loop: `compiled`, or `python` for one call a step.
        until: the epoch to stop after; by default the experiment's last.
        stop: asked after each piece; once any process says so, each yields `stopped` and ends.
    """
    programs = programs or compile_programs(experiment)
    members = programs.rows is None
    per_epoch = steps_per_epoch(experiment)
    last = per_epoch * (experiment.epochs if until is None else until)
    whole = MEMBERS if members else WHOLE
    keys = programs.place(stream(experiment.seed, "update"), whole)
    state = programs.place(position.state, whole)
    totals = programs.place(position.totals, FIRST if (programs.rows or 1) > 1 else whole)
    measure = _evaluation(experiment, programs)
    step, rate, bad = position.step, 0.0, np.full(np.shape(experiment.seed), NEVER)
    before = time.perf_counter()
    for window in _windows(experiment, programs, range(step, last)):
        arguments = (window.data, window.indices, keys)
        while step < window.first + window.steps:
            done, left = step - window.first, window.first + window.steps - step
            if not rate:
                # Compiled before the clock starts, with a piece of no step.
                state, totals, _ = programs.train(state, totals, *arguments, *_bounds(window, 0, 0))
                before = time.perf_counter()
            piece = min(left, max(1, round(rate * SECONDS)) if loop == "compiled" else 1)
            state, totals, now = programs.train(
                state, totals, *arguments, *_bounds(window, done, done + piece)
            )
            bad = np.minimum(bad, np.asarray(now))
            rate, stopped = _agree(piece / (time.perf_counter() - before), stop())
            step += piece
            seen, evaluated = programs.total(totals), None
            lost = bool((bad != NEVER).all())
            if step % per_epoch == 0 and not lost:
                evaluated = {"train": seen} | measure(state)
                totals = jax.tree.map(jnp.zeros_like, totals)
            yield Progress(
                Position(programs.fetch(state), step, totals),
                step / per_epoch,
                rate * experiment.batch_size,
                seen,
                evaluated,
                bad,
                stopped,
            )
            if lost or stopped:
                return
            before = time.perf_counter()  # Waiting for the next window is part of the next piece.


def _bounds(window: Window, start: int, stop: int) -> tuple[np.int32, np.int32, np.int32]:
    return np.int32(window.first), np.int32(start), np.int32(stop)


def _agree(rate: float, stop: bool) -> tuple[float, bool]:
    """One pace and one decision for all processes: each must run the same pieces."""
    if jax.process_count() == 1:
        return rate, stop
    told = multihost_utils.process_allgather(np.array([rate, stop]))
    return float(told[0, 0]), bool(told[:, 1].any())


def _windows(experiment: Experiment, programs: Programs, steps: range) -> Iterator[Window]:
    """The batches numbered `steps`, for this process, on the devices."""
    if not steps:
        return iter(())
    train, per_epoch = experiment.dataset.splits["train"], steps_per_epoch(experiment)
    size, multiple = experiment.dataset.size("train"), programs.devices
    if programs.rows is None:
        multiple = 1  # A population's batches are not split, its members are.

    @functools.lru_cache(maxsize=4)
    def rows(epoch: int) -> np.ndarray:
        return widen(order(experiment.seed, epoch, size, experiment.batch_size), multiple)

    if programs.feed == "stream":
        columns = _columns(experiment.batch_size + -experiment.batch_size % multiple)
        seed = experiment.seed
        assert isinstance(seed, int)  # A population's data lie in memory.
        return from_stream(train, steps, per_epoch, rows, programs.share, columns, crops=seed)
    epochs = range(steps.start // per_epoch, -(-steps.stop // per_epoch))
    place = partial(programs.place, spec=SECOND if programs.rows else SECOND_MEMBERS)
    return from_memory(programs.place(train, WHOLE), epochs, rows, place)


def _evaluation(experiment: Experiment, programs: Programs) -> Callable[[Any], dict[str, Metrics]]:
    """A function from a state on the devices to the metrics of every held-out split."""
    key = stream(experiment.seed, "evaluate")
    keys = programs.place(key, MEMBERS if programs.rows is None else WHOLE)
    size = evaluation_batch(experiment)
    held_out = {
        name: widen(batches(np.arange(experiment.dataset.size(name)), size), programs.devices)
        for name in experiment.dataset.splits
        if name != "train"
    }
    shared = WHOLE if programs.rows is None else SECOND
    placed = {
        name: (
            programs.place(experiment.dataset.splits[name], WHOLE),
            programs.place(indices, shared),
            np.int32(0),
        )
        for name, indices in held_out.items()
        if programs.feed == "memory"
    }

    def streamed(name: str) -> Iterator[tuple]:
        split, indices = experiment.dataset.splits[name], held_out[name]
        steps, columns = range(len(indices)), _columns(indices.shape[1])
        rows, share = (lambda _: indices), programs.share
        for window in from_stream(split, steps, len(indices), rows, share, columns):
            yield window.data, window.indices, np.int32(window.first)

    def measure(state: Any) -> dict[str, Metrics]:
        found: dict[str, Metrics] = {}
        for name in held_out:
            parts = iter([placed[name]]) if name in placed else streamed(name)
            for data, indices, first in parts:
                part = programs.evaluate(state, data, indices, keys, first)
                found[name] = add(found[name], part) if name in found else part
        return found

    return measure


def _columns(batch: int) -> slice:
    """The columns of a batch that this process reads."""
    each = batch // jax.process_count()
    return slice(jax.process_index() * each, (jax.process_index() + 1) * each)
