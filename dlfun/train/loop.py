"""The training loop: knows a learner's three functions and nothing of what is learned.

An epoch is one compiled program: a loop over batches gathered by index from data that lie on the
device. It is called in pieces, with the bounds of the piece as arguments, so that long epochs
report; the pieces' lengths change nothing in the result.
"""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Int

from dlfun.experiment import Experiment
from dlfun.learner import AXIS
from dlfun.metrics import Metrics, add
from dlfun.random import stream

SECONDS = 0.5
"""How long a piece of an epoch should take: often enough to report, stop and save."""
EVALUATION_BATCH = 500
NEVER = np.iinfo(np.int32).max
WHOLE, FIRST, SECOND = PartitionSpec(), PartitionSpec(AXIS), PartitionSpec(None, AXIS)
"""Placed whole on each device, or split over the devices along the first or the second axis."""

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
    evaluated: dict[str, Metrics] | None
    """At the end of an epoch: the metrics of each split, training first."""
    diverged: int | None
    """The first step whose loss was not finite."""


def order(seed: int, epoch: int, size: int, batch_size: int) -> Int[np.ndarray, "steps batch"]:
    """The indices of each batch of an epoch: a function of (seed, epoch).

    The last batch is filled up with -1, which stands for no example.
    """
    key = jax.random.fold_in(stream(seed, "data"), epoch)
    return batches(np.asarray(jax.random.permutation(key, size)), batch_size)


def batches(indices: np.ndarray, batch_size: int) -> Int[np.ndarray, "steps batch"]:
    """Indices as rows of `batch_size`, the last filled up with -1."""
    steps = -(-len(indices) // batch_size)
    padded = np.full(steps * batch_size, -1, np.int32)
    padded[: len(indices)] = indices
    return padded.reshape(steps, batch_size)


def gather(data: dict[str, Array], indices: Int[Array, " batch"]) -> dict[str, Array]:
    """The batch at `indices`; weight 0 where an index is -1."""
    return {name: array[indices] for name, array in data.items()} | {
        "weight": (indices >= 0).astype(jnp.float32)
    }


def zeros(function: Callable, *arguments: Any) -> Metrics:
    """Metrics of nothing, in the shape that `function(*arguments)` returns."""
    return jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), jax.eval_shape(function, *arguments))


def _training(learner, parallel, state, totals, data, indices, key, first, start, stop):
    """Updates `start` to `stop` of an epoch whose first update has number `first`."""

    def body(i, carry):
        state, totals, bad = carry
        step_key = jax.random.fold_in(key, first + i)
        if parallel:
            step_key = jax.random.fold_in(step_key, jax.lax.axis_index(AXIS))
        state, measured = learner.update(state, gather(data, indices[i]), step_key)
        finite = jnp.isfinite(measured["loss"].total)
        bad = jnp.minimum(bad, jnp.where(finite, NEVER, first + i))
        return state, jax.tree.map(lambda t, m: t + m, totals, measured), bad

    state, totals, bad = jax.lax.fori_loop(start, stop, body, (state, totals, jnp.int32(NEVER)))
    return state, totals, jax.lax.pmin(bad, AXIS) if parallel else bad


def _evaluating(learner, parallel, state, data, indices, key):
    """Metrics of all examples named in `indices`."""

    def batch_metrics(i):
        return learner.evaluate(state, gather(data, indices[i]), jax.random.fold_in(key, i))

    start = zeros(batch_metrics, jnp.int32(0))
    local = jax.lax.fori_loop(0, len(indices), lambda i, m: add(m, batch_metrics(i)), start)
    return jax.lax.psum(local, AXIS) if parallel else local


class Programs(NamedTuple):
    """The compiled functions of one experiment on one set of devices."""

    train: Any
    evaluate: Callable
    place: Callable
    """Puts arrays on the devices: whole on each, or split as a PartitionSpec says."""


def compile_programs(experiment: Experiment, devices: int) -> Programs:
    """Jitted train and evaluate; over more than one device, each batch split by shard_map."""
    learner, parallel = experiment.learner, devices > 1
    mesh = Mesh(np.array(jax.devices()[:devices]), (AXIS,))

    def place(tree: Any, spec: PartitionSpec = WHOLE) -> Any:
        return jax.device_put(tree, NamedSharding(mesh, spec))

    train, evaluate = (partial(f, learner, parallel) for f in (_training, _evaluating))
    if parallel:
        split = partial(jax.shard_map, mesh=mesh, check_vma=False)
        train = split(
            train,
            in_specs=(WHOLE, FIRST, WHOLE, SECOND, WHOLE, WHOLE, WHOLE, WHOLE),
            out_specs=(WHOLE, FIRST, WHOLE),
        )
        evaluate = split(evaluate, in_specs=(WHOLE, WHOLE, SECOND, WHOLE), out_specs=WHOLE)
    return Programs(jax.jit(train, donate_argnums=(0, 1)), jax.jit(evaluate), place)


def start(experiment: Experiment, devices: int = 1) -> Position:
    """The position before the first update."""
    learner, data = experiment.learner, experiment.dataset.splits["train"]
    sample = gather({k: jnp.asarray(v[:1]) for k, v in data.items()}, jnp.zeros(1, jnp.int32))
    key = stream(experiment.seed, "init")
    state = jax.jit(learner.init)(key, sample)
    totals = zeros(lambda: learner.update(state, sample, key)[1])
    return Position(
        state, 0, jax.tree.map(lambda t: jnp.zeros((devices, *t.shape), t.dtype), totals)
    )


def summed(totals: Metrics) -> Metrics:
    """Training metrics over all devices."""
    return jax.tree.map(lambda t: np.asarray(t).sum(axis=0), totals)


def evaluate(experiment: Experiment, state: Any, devices: int = 1) -> dict[str, Metrics]:
    """Metrics of `state` on every split but the training one."""
    programs = compile_programs(experiment, devices)
    held_out = _held_out(experiment, programs, devices)
    key = stream(experiment.seed, "evaluate")
    state = programs.place(state)
    return {name: programs.evaluate(state, *where, key) for name, where in held_out.items()}


def fit(
    experiment: Experiment,
    position: Position,
    *,
    devices: int = 1,
    loop: Loop = "compiled",
) -> Iterator[Progress]:
    """Train from `position` to the end of the last epoch, yielding `Progress` after each piece.

    The caller logs, saves and may stop between two pieces. A state that was yielded is used up by
    the next piece: copy what is to be kept. Ends early, with `Progress.diverged`, on a loss that is
    not finite.
    """
    programs = compile_programs(experiment, devices)
    seed, size = experiment.seed, len(experiment.dataset.splits["train"]["label"])
    batch_size = _divisible(experiment.batch_size, devices)
    per_epoch = -(-size // experiment.batch_size)
    keys = programs.place((stream(seed, "update"), stream(seed, "evaluate")))
    data = programs.place(experiment.dataset.splits["train"])
    held_out = _held_out(experiment, programs, devices)
    state, totals = programs.place(position.state), programs.place(position.totals, FIRST)
    step, rate = position.step, 0.0
    compiled = None

    while step < experiment.epochs * per_epoch:
        epoch, done = divmod(step, per_epoch)
        first = step - done
        indices = order(seed, epoch, size, experiment.batch_size)
        indices = np.pad(
            indices, ((0, 0), (0, batch_size - experiment.batch_size)), constant_values=-1
        )
        indices = programs.place(indices, SECOND)
        while done < per_epoch:
            piece = max(1, min(per_epoch - done, round(rate * SECONDS))) if rate else 1
            piece = 1 if loop == "python" else piece
            bounds = programs.place((np.int32(first), np.int32(done), np.int32(done + piece)))
            arguments = (state, totals, data, indices, keys[0], *bounds)
            if compiled is None:
                compiled = programs.train.lower(*arguments).compile()
            before = time.perf_counter()
            state, totals, bad = compiled(*arguments)
            bad = int(bad)
            rate = piece / (time.perf_counter() - before)
            done += piece
            step += piece
            evaluated = None
            diverged = bad if bad != NEVER else None
            if done == per_epoch and diverged is None:
                evaluated = {"train": summed(totals)} | {
                    name: programs.evaluate(state, *where, keys[1])
                    for name, where in held_out.items()
                }
                totals = jax.tree.map(jnp.zeros_like, totals)
            yield Progress(
                Position(state, step, totals),
                step / per_epoch,
                rate * experiment.batch_size,
                evaluated,
                diverged,
            )
            if diverged is not None:
                return


def _divisible(batch_size: int, devices: int) -> int:
    return -(-batch_size // devices) * devices


def _held_out(experiment: Experiment, programs: Programs, devices: int) -> dict[str, tuple]:
    """Data and batch indices of every split but the training one, on the devices."""
    return {
        name: (
            programs.place(split),
            programs.place(
                batches(np.arange(len(split["label"])), _divisible(EVALUATION_BATCH, devices)),
                SECOND,
            ),
        )
        for name, split in experiment.dataset.splits.items()
        if name != "train"
    }
