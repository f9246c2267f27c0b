"""The one idea: a learning algorithm is three pure functions.

Everything that is done to a learner (compiling it, looping it over an epoch, mapping it over seeds
and hyperparameters, spreading it over devices, saving it) is a transformation of these three.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.flatten_util import ravel_pytree

from dlfun.metrics import Metrics, values

Key = Array
"""A typed pseudo-random key, `jax.random.key`."""
State = Any
"""A pytree: parameters, optimizer state, hidden state, a persistent chain, ..."""
Batch = Mapping[str, Array]
"""Arrays of equal length by name; `"weight"` is 1 for an example and 0 for padding."""

AXIS = "devices"
"""Name of the axis along which a batch is split over devices."""
FUSED_EXCHANGE_SIZE = 2**16
"""Numbers in an array that devices exchange together with others."""
_NONEMPTY: ContextVar[Array | None] = ContextVar("nonempty", default=None)


class Learner(NamedTuple):
    """A learning algorithm.

    The laws that every learner obeys (`tests/test_laws.py` checks them for every experiment):

    1. pure: equal arguments give equal bits; no key travels in the state, it comes with the call;
    2. an example of weight 0 counts for nothing: a padded batch gives what the batch without the
       padding gives, and a batch of padding alone changes nothing;
    3. metrics are sums and counts: those of two batches add up to those of both together;
    4. a batch split over devices gives, to rounding, the state and metrics of one device;
    5. `vmap` over members gives each member what it would get alone;
    6. the float fields of an experiment's Config that are not `Static` may be tracers.
    """

    init: Callable[[Key, Batch], State]
    update: Callable[[State, Batch, Key], tuple[State, Metrics]]
    evaluate: Callable[[State, Batch, Key], Metrics]
    predict: Callable[[State, Batch], Any] | None = None
    """The predictions that `evaluate` scores, such as logits, codes or captions."""
    averages: bool = False
    """True if the functions take their means over `AXIS` (`mean_over_devices`), so that `shard_map`
    and `pmap` may split a batch: the state is then the same on each device, metrics are sums over
    the device's examples, and the key is the same on each, so noise comes from `batch_noise` or
    `example_keys`. False leaves the split to the compiler (`jit`), which needs nothing of it."""


def mean_over_devices(tree: Any) -> Any:
    """Mean of `tree` over the devices that share the batch; `tree` itself where it is not split.

    A sum over examples divided by the average over devices of their count, once averaged itself, is
    the mean over the whole batch, however unequally its examples are spread.
    """
    return _exchange(jax.lax.pmean, tree) if _split() else tree


def if_counted(
    batch: Batch, count: Array, new: State, metrics: Metrics, old: State
) -> tuple[State, Metrics]:
    """The result of an update that divides by `count`: the `new` state and `metrics`.

    Where `count` is 0 it is the `old` state and metrics of 0 over 0: a batch in which nothing has
    weight changes nothing and counts nothing. A batch that is known not to be empty is not tested.
    """
    if batch["weight"] is _NONEMPTY.get():
        return new, metrics
    choose = partial(jnp.where, count > 0)
    return jax.tree.map(choose, new, old), jax.tree.map(lambda m: choose(m, 0), metrics)


@contextmanager
def nonempty(batch: Batch) -> Iterator[None]:
    """A context in which `if_counted` knows that this very batch holds an example of weight 1.

    The driver traces updates in it: to choose between the new and the old state at each step costs
    small networks up to 15 %.
    """
    token = _NONEMPTY.set(batch["weight"])
    try:
        yield
    finally:
        _NONEMPTY.reset(token)


def sum_over_devices(tree: Any) -> Any:
    """Sum of `tree` over the devices that share the batch; `tree` itself where it is not split."""
    return _exchange(jax.lax.psum, tree) if _split() else tree


def gather_devices(tree: Any) -> Any:
    """`tree` of each device that shares the batch, stacked on a first axis, in one exchange."""
    flat, back = ravel_pytree(tree)
    return jax.vmap(back)(jax.lax.all_gather(flat, AXIS) if _split() else flat[None])


def batch_noise(draw: Callable[[tuple[int, ...]], Array], shape: tuple[int, ...]) -> Array:
    """This device's share of the noise that `draw(shape)` gives for the whole batch.

    The first axis of `shape` is this device's share of the examples. The noise of an example is the
    same whatever the devices that share the batch.
    """
    if not _split():
        return draw(shape)
    rows = shape[0]
    whole = draw((jax.lax.axis_size(AXIS) * rows, *shape[1:]))
    return jax.lax.dynamic_slice_in_dim(whole, jax.lax.axis_index(AXIS) * rows, rows)


def example_keys(key: Key, size: int) -> Key:
    """A key for each of the `size` examples of this device's share of the batch.

    That of an example depends on its place in the whole batch and on nothing else: not on the
    devices that share it, nor on how far it is padded.
    """
    first = jax.lax.axis_index(AXIS) * size if _split() else 0
    return jax.vmap(lambda index: jax.random.fold_in(key, index))(first + jnp.arange(size))


def _exchange(reduction: Callable[[Any, str], Any], tree: Any) -> Any:
    """`reduction` of a tree over the devices, its small arrays as one.

    Between two CPU devices each more array costs some 50 µs, whatever its size.
    """
    leaves, structure = jax.tree.flatten(tree)
    if len({leaf.dtype for leaf in leaves}) != 1:
        return reduction(tree, AXIS)
    small = [leaf for leaf in leaves if leaf.size <= FUSED_EXCHANGE_SIZE]
    flat, back = ravel_pytree(small)
    flat, large = reduction(
        (flat, [leaf for leaf in leaves if leaf.size > FUSED_EXCHANGE_SIZE]), AXIS
    )
    parts = {True: iter(back(flat)), False: iter(large)}
    return jax.tree.unflatten(
        structure, [next(parts[leaf.size <= FUSED_EXCHANGE_SIZE]) for leaf in leaves]
    )


def _split() -> bool:
    try:
        return jax.lax.axis_size(AXIS) > 1
    except NameError:
        return False


def metrics_of_all(
    learner: Learner, state: State, columns: Mapping[str, Any], key: Key
) -> dict[str, float]:
    """The evaluation metrics over all examples of some columns, in one batch."""
    count = len(next(iter(columns.values())))
    batch = {**columns, "weight": np.ones(count, np.float32)}
    return values(jax.jit(learner.evaluate)(state, batch, key))
