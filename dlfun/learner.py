"""The one idea: a learning algorithm is three pure functions.

Everything that is done to a learner (compiling it, looping it over an epoch, mapping it over seeds
and hyperparameters, spreading it over devices, saving it) is a transformation of these three.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.flatten_util import ravel_pytree

from dlfun.metrics import Metrics

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


class Learner(NamedTuple):
    """A learning algorithm.

    What is true of each:

    - pure: equal arguments give equal results; no key travels in the state, it comes with the call;
    - `update(state, batch, key)` counts each example of the batch by its weight, so a batch padded
      with examples of weight 0 gives what the batch without them gives;
    - metrics are sums and counts, so those of two batches add up to those of both together;
    - when the batch is split along `AXIS` over devices, what is averaged over examples is averaged
      over all devices (`mean_over_devices`), so the state stays the same on each. Metrics stay
      local sums. The key is the same on each, too: noise comes from `device_key` or `example_keys`.
    """

    init: Callable[[Key, Batch], State]
    update: Callable[[State, Batch, Key], tuple[State, Metrics]]
    evaluate: Callable[[State, Batch, Key], Metrics]


def mean_over_devices(tree: Any) -> Any:
    """Mean of `tree` over the devices that share the batch; `tree` itself where it is not split.

    A sum over examples divided by the average over devices of their count, once averaged itself, is
    the mean over the whole batch, however unequally its examples are spread.
    """
    return _exchange(jax.lax.pmean, tree) if _split() else tree


def sum_over_devices(tree: Any) -> Any:
    """Sum of `tree` over the devices that share the batch; `tree` itself where it is not split."""
    return _exchange(jax.lax.psum, tree) if _split() else tree


def gather_devices(tree: Any) -> Any:
    """`tree` of each device that shares the batch, stacked on a first axis, in one exchange."""
    flat, back = ravel_pytree(tree)
    return jax.vmap(back)(jax.lax.all_gather(flat, AXIS) if _split() else flat[None])


def device_key(key: Key) -> Key:
    """A key that no other device that shares the batch has; `key` where it is not split."""
    return jax.random.fold_in(key, jax.lax.axis_index(AXIS)) if _split() else key


def example_keys(key: Key, size: int) -> Key:
    """A key for each of the `size` examples of this device's share of the batch.

    That of an example depends on its place in the whole batch and on nothing else: not on the
    devices that share it, nor on how far it is padded.
    """
    first = jax.lax.axis_index(AXIS) * size if _split() else 0
    return jax.vmap(lambda place: jax.random.fold_in(key, place))(first + jnp.arange(size))


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
    found = {True: iter(back(flat)), False: iter(large)}
    return jax.tree.unflatten(
        structure, [next(found[leaf.size <= FUSED_EXCHANGE_SIZE]) for leaf in leaves]
    )


def _split() -> bool:
    try:
        jax.lax.axis_size(AXIS)
    except NameError:
        return False
    return True
