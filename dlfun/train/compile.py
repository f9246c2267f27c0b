"""The compiled programs of a learner, and the ways to spread one over devices.

A batch split over devices is one meaning compiled in three ways, equal to rounding:

- `jit`: the compiler is told where the arrays lie and splits the program itself;
- `shard_map`: each device runs the program on its share of the batch, and the learner averages
  gradients with `lax.pmean`;
- `pmap`: the same program under the older transformation, that maps over a leading axis of every
  array. JAX itself now builds it on shard_map; it is here because much published code is written
  with it, to be compared with. New code has no reason to prefer it.

Dropout's noise is drawn by each device for its share under the last two, and for the whole batch by
`jit`; augmentation is the same in all.

A population spreads its members instead: nothing is averaged.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from dlfun.learner import AXIS, Learner
from dlfun.metrics import Metrics, add
from dlfun.train.batches import Feed, gather, weight

Parallel = Literal["jit", "pmap", "shard_map"]
NEVER = np.iinfo(np.int32).max
WHOLE, FIRST, SECOND = PartitionSpec(), PartitionSpec(AXIS), PartitionSpec(None, AXIS)
"""Placed whole on each device, or split over the devices along the first or the second axis."""
MEMBERS, SECOND_MEMBERS = PartitionSpec("members"), PartitionSpec(None, "members")
"""Split over the devices by members: another axis, for over this one nothing is averaged."""


class Programs(NamedTuple):
    """A learner compiled for some devices."""

    devices: int
    rows: int | None
    """Rows of training totals, one for each device that counts its own; None for a population,
    which has a row for each member."""
    feed: Feed
    train: Callable
    """(state, totals, data, indices, key, first, start, stop) → state, totals, bad."""
    evaluate: Callable
    """(state, data, indices, key, first) → metrics."""
    total: Callable[[Metrics], Metrics]
    """Training totals over all rows."""
    place: Callable
    """(tree, spec) → the tree on the devices, whole or split as the PartitionSpec says."""
    share: Callable[[Any], Any]
    """Puts batches on the devices, split; each process gives the columns that it has read."""
    fetch: Callable[[Any], Any]
    """A state as `update` returned it, without an axis for devices."""


def compile_programs(learner: Learner, devices: int, parallel: Parallel, feed: Feed) -> Programs:
    """Programs of `learner` over the first `devices` devices."""
    mesh = Mesh(np.array(jax.devices()[:devices]), (AXIS,))
    split = devices > 1 and parallel != "jit"
    train, evaluate = (partial(f, learner, split, feed) for f in (_training, _evaluating))
    data = SECOND if feed == "stream" else WHOLE
    if split and parallel == "pmap":
        return _by_pmap(train, evaluate, mesh, feed)
    if split:
        spread = partial(jax.shard_map, mesh=mesh, check_vma=False)
        specs = (WHOLE, FIRST, data, SECOND, WHOLE, WHOLE, WHOLE, WHOLE)
        train = spread(train, in_specs=specs, out_specs=(WHOLE, FIRST, WHOLE))
        evaluate = spread(evaluate, in_specs=(WHOLE, data, SECOND, WHOLE, WHOLE), out_specs=WHOLE)
    # Left to itself the compiler might return what it was given whole in parts.
    out = None if split or devices == 1 else NamedSharding(mesh, WHOLE)
    return Programs(
        devices=devices,
        rows=devices if split else 1,
        feed=feed,
        train=jax.jit(train, donate_argnums=(0, 1), out_shardings=out),
        evaluate=jax.jit(evaluate, out_shardings=out),
        total=_total(mesh),
        place=partial(_place, mesh),
        share=partial(_share, mesh),
        fetch=_same,
    )


def compile_population(make: Callable[[Any], Learner], devices: int) -> Programs:
    """Programs that train a population, its members spread over devices and mapped on each.

    The state is (values, states) of all members, the leading axis of each leaf; `make(values)` is
    the learner of one. Totals, keys, metrics and the first bad step have an entry a member, and
    indices are [steps, members, batch]. A member's arithmetic reads nothing of its neighbours.
    """
    mesh = Mesh(np.array(jax.devices()[:devices]), ("members",))

    def train(state, totals, data, indices, keys, *bounds):
        def one(values, state, totals, indices, key):
            learner = make(values)
            return _training(learner, False, "memory", state, totals, data, indices, key, *bounds)

        values, states = state
        states, totals, bad = each(one, values, states, totals, jnp.moveaxis(indices, 1, 0), keys)
        return (values, states), totals, bad

    def evaluate(state, data, indices, keys, first):
        def one(values, state, key):
            learner = make(values)
            return _evaluating(learner, False, "memory", state, data, indices, key, first)

        return each(one, *state, keys)

    spread = partial(jax.shard_map, mesh=mesh, check_vma=False)
    specs = (MEMBERS, MEMBERS, WHOLE, SECOND_MEMBERS, MEMBERS, WHOLE, WHOLE, WHOLE)
    train = spread(train, in_specs=specs, out_specs=MEMBERS)
    evaluate = spread(evaluate, in_specs=(MEMBERS, WHOLE, WHOLE, MEMBERS, WHOLE), out_specs=MEMBERS)
    return Programs(
        devices=devices,
        rows=None,
        feed="memory",
        train=jax.jit(train, donate_argnums=(0, 1)),
        evaluate=jax.jit(evaluate),
        total=_same,
        place=partial(_place, mesh),
        share=partial(_share, mesh),
        fetch=_same,
    )


def each(function: Callable, *trees: Any) -> Any:
    """vmap; of one member the function itself, which compiles to the very program of one alone."""
    if any(len(leaf) != 1 for leaf in jax.tree.leaves(trees)):
        return jax.vmap(function)(*trees)
    one = function(*jax.tree.map(lambda leaf: leaf[0], trees))
    return jax.tree.map(lambda leaf: leaf[None], one)


def _by_pmap(train: Callable, evaluate: Callable, mesh: Mesh, feed: Feed) -> Programs:
    """Every array but the bounds has a leading axis of one entry a device."""
    over: Callable = partial(jax.pmap, axis_name=AXIS, devices=list(mesh.devices))
    train = over(train, in_axes=(0,) * 5 + (None,) * 3, donate_argnums=(0, 1))
    evaluate = over(evaluate, in_axes=(0,) * 4 + (None,))

    def fetch(tree: Any) -> Any:
        return jax.tree.map(lambda leaf: leaf[0], tree)

    def train_and_fetch(*arguments: Any) -> tuple[Any, Metrics, jax.Array]:
        state, totals, bad = train(*arguments)
        return state, totals, bad[0]

    return Programs(
        devices=mesh.size,
        rows=mesh.size,
        feed=feed,
        train=train_and_fetch,
        evaluate=lambda *arguments: fetch(evaluate(*arguments)),
        total=_total(mesh),
        place=partial(_stack, mesh),
        share=partial(_stack, mesh, spec=SECOND),
        fetch=fetch,
    )


def _same(tree: Any) -> Any:
    return tree


def _total(mesh: Mesh) -> Callable[[Metrics], Metrics]:
    whole = NamedSharding(mesh, WHOLE)
    return jax.jit(partial(jax.tree.map, lambda rows: rows.sum(axis=0)), out_shardings=whole)


def _batch(feed: Feed, data: dict, indices: jax.Array, i: jax.Array) -> dict[str, jax.Array]:
    if feed == "memory":
        return gather(data, indices[i])
    return {name: array[i] for name, array in data.items()} | {"weight": weight(indices[i])}


def _training(learner, split, feed, state, totals, data, indices, key, first, start, stop):
    """Updates `start` to `stop` of a window whose first update has number `first`."""

    def body(i, carry):
        state, totals, bad = carry
        step_key = jax.random.fold_in(key, first + i)
        state, measured = learner.update(state, _batch(feed, data, indices, i), step_key)
        finite = jnp.isfinite(measured["loss"].total)
        bad = jnp.minimum(bad, jnp.where(finite, NEVER, first + i))
        return state, jax.tree.map(lambda t, m: t + m, totals, measured), bad

    state, totals, bad = jax.lax.fori_loop(start, stop, body, (state, totals, jnp.int32(NEVER)))
    return state, totals, jax.lax.pmin(bad, AXIS) if split else bad


def _evaluating(learner, split, feed, state, data, indices, key, first):
    """Metrics of all examples of a window whose first batch has number `first`."""

    def batch_metrics(i):
        step_key = jax.random.fold_in(key, first + i)
        return learner.evaluate(state, _batch(feed, data, indices, i), step_key)

    start = zeros(batch_metrics, jnp.int32(0))
    local = jax.lax.fori_loop(0, len(indices), lambda i, m: add(m, batch_metrics(i)), start)
    return jax.lax.psum(local, AXIS) if split else local


def zeros(function: Callable, *arguments: Any) -> Metrics:
    """Metrics of nothing, in the shape that `function(*arguments)` returns."""
    return jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), jax.eval_shape(function, *arguments))


def _place(mesh: Mesh, tree: Any, spec: PartitionSpec) -> Any:
    sharding = NamedSharding(mesh, spec)
    if jax.process_count() == 1:
        return jax.device_put(tree, sharding)

    def leaf(array: Any) -> jax.Array:
        if jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
            data = leaf(jax.random.key_data(array))
            return jax.random.wrap_key_data(data, impl=jax.random.key_impl(array))
        value = np.asarray(array)
        return jax.make_array_from_callback(value.shape, sharding, lambda index: value[index])

    return jax.tree.map(leaf, tree)


def _share(mesh: Mesh, tree: Any) -> Any:
    sharding = NamedSharding(mesh, SECOND)
    if jax.process_count() == 1:
        return jax.device_put(tree, sharding)
    put = partial(jax.make_array_from_process_local_data, sharding)
    return jax.tree.map(put, tree)


def _stack(mesh: Mesh, tree: Any, spec: PartitionSpec) -> Any:
    """As pmap wants it: a leading axis of one entry a device."""
    n = mesh.size

    def leading(leaf: Any) -> Any:
        if spec == FIRST:
            return leaf
        if spec == SECOND:
            return jnp.moveaxis(leaf.reshape(len(leaf), n, -1, *leaf.shape[2:]), 1, 0)
        return jnp.broadcast_to(leaf, (n, *jnp.shape(leaf)))

    return jax.device_put(jax.tree.map(leading, tree), NamedSharding(mesh, FIRST))


def to_host(tree: Any) -> Any:
    """NumPy arrays of a tree on the devices of all processes; each process must call it."""

    def leaf(array: Any) -> Any:
        if not isinstance(array, jax.Array) or array.is_fully_addressable:
            return jax.device_get(array)
        if array.is_fully_replicated:
            return np.asarray(array)
        return multihost_utils.process_allgather(array, tiled=True)

    return jax.tree.map(leaf, tree)
