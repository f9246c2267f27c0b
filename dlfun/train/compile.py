"""The compiled programs of a learner over a mesh of devices, with two axes.

Along "members" lie trainings that share a program: `vmap` maps over their states, orders, keys and
float hyperparameters. Along `AXIS` a batch is split, in one of three ways, equal to rounding:

- `jit`: the compiler is told where the arrays lie and splits the program itself. Right for every
  learner;
- `shard_map`: each device runs the program on its share of the batch, and the learner averages
  gradients with `lax.pmean`. For learners that average;
- `pmap`: the same program under the older transformation, which maps over a leading axis of every
  array. JAX itself now builds it on shard_map; it is here because much published code is written
  with it, to be compared with. New code has no reason to prefer it.

Noise, of dropout and augmentation, is that of the whole batch in all three.

With several CPU devices, XLA can hang when more than 32 programs wait to be run: the call of the
next one occupies threads that the first of them needs (jaxlib 0.10.2, but not 0.12). So a piece of
an epoch calls few programs, and `loop` waits for each piece and each window of an evaluation.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from dlfun.learner import AXIS, Learner, nonempty
from dlfun.metrics import Metrics, add
from dlfun.train.batches import Feed
from dlfun.train.gather import gather, weight

Parallel = Literal["jit", "pmap", "shard_map"]
NO_STEP = np.iinfo(np.int32).max
REPLICATED, BY_MEMBER = PartitionSpec(), PartitionSpec("members")
BY_MEMBER_AND_DEVICE = PartitionSpec("members", AXIS)
EXAMPLES_BY_DEVICE = PartitionSpec(None, AXIS)
"""Partition of arrays [steps, batch, …]."""
INDICES = PartitionSpec(None, "members", AXIS)
"""Partition of arrays [steps, members, batch]."""

MESH_AXES = ("members", AXIS)
Tree = Any
Values = dict[str, Any]
"""The float hyperparameters that are inputs of a program, by path."""


class Programs(NamedTuple):
    """A learner compiled for some devices.

    Every leaf of a state, of values, keys, totals and metrics has a first axis of members.
    """

    devices: int
    """Devices that share a batch."""
    members: int
    """Devices that members are spread over; their number is a multiple of it."""
    rows: int
    """Rows of training totals of a member: one for each device that counts its own, else 1."""
    feed: Feed
    train: Callable[..., tuple[Tree, Metrics, jax.Array]]
    """(values, state, totals, data, indices, keys, first, start, stop) → state, totals, step."""
    evaluate: Callable[..., Metrics]
    """(values, state, data, indices, keys, first) → metrics."""
    total: Callable[[Metrics], Metrics]
    """Training totals over the rows of each member."""
    put: Callable[[Tree, PartitionSpec], Tree]
    """The tree on the devices, replicated or split as the PartitionSpec says."""
    put_batches: Callable[[Tree, PartitionSpec], Tree]
    """The same for batches, of which each process gives the columns that it has read."""
    without_replicas: Callable[[Tree, Metrics], tuple[Tree, Metrics]]
    """State and totals as `train` returned them, without pmap's axis of devices."""


def compile_learner(
    make: Callable[[Values], Learner],
    *,
    members: int = 1,
    devices: int = 1,
    parallel: Parallel = "jit",
    feed: Feed = "memory",
) -> Programs:
    """Programs of the learner `make(values)` over `members` × `devices` devices.

    A member's arithmetic reads nothing of its neighbours. Only one of the two numbers may be above
    1, and of a streamed feed `members` is 1.
    """
    mesh = Mesh(np.array(jax.devices()[: members * devices]).reshape(members, devices), MESH_AXES)
    split = devices > 1 and parallel != "jit"
    train, evaluate = (partial(f, make, split, feed) for f in (_train, _evaluate))
    data = EXAMPLES_BY_DEVICE if feed == "stream" else REPLICATED
    if split and parallel == "pmap":
        return _by_pmap(train, evaluate, mesh, feed)
    # Without this, XLA may return replicated inputs sharded.
    shardings = NamedSharding(mesh, REPLICATED) if devices > 1 and not split else None
    if split or members > 1:
        spread = partial(jax.shard_map, mesh=mesh, check_vma=False)
        state, totals = BY_MEMBER, BY_MEMBER_AND_DEVICE if split else BY_MEMBER
        specs = (BY_MEMBER, state, totals, data, INDICES, BY_MEMBER, *[REPLICATED] * 3)
        train = spread(train, in_specs=specs, out_specs=(state, totals, BY_MEMBER))
        specs = (BY_MEMBER, state, data, EXAMPLES_BY_DEVICE, BY_MEMBER, REPLICATED)
        evaluate = spread(evaluate, in_specs=specs, out_specs=BY_MEMBER)
    return Programs(
        devices=devices,
        members=members,
        rows=devices if split else 1,
        feed=feed,
        train=jax.jit(train, donate_argnums=(1, 2), out_shardings=shardings),
        evaluate=jax.jit(evaluate, out_shardings=shardings),
        total=_total(mesh),
        put=partial(_put, mesh),
        put_batches=partial(_put_batches, mesh),
        without_replicas=lambda state, totals: (state, totals),
    )


def vmap_members(function: Callable, *trees: Tree) -> Tree:
    """vmap; of one member the function itself, which compiles to the program of one alone."""
    if any(len(leaf) != 1 for leaf in jax.tree.leaves(trees)):
        return jax.vmap(function)(*trees)
    result = function(*jax.tree.map(lambda leaf: leaf[0], trees))
    return jax.tree.map(lambda leaf: leaf[None], result)


def zeros(function: Callable, *arguments: Any) -> Metrics:
    """Metrics of no examples, in the shape that `function(*arguments)` returns."""
    return jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), jax.eval_shape(function, *arguments))


def to_host(tree: Tree) -> Tree:
    """NumPy arrays of a tree on the devices of all processes; each process must call it."""

    def leaf(array: Any) -> Any:
        if not isinstance(array, jax.Array) or array.is_fully_addressable:
            # A copy: the loop's next call overwrites the array itself.
            return np.array(jax.device_get(array))
        if array.is_fully_replicated:
            return np.array(array)
        return multihost_utils.process_allgather(array, tiled=True)

    return jax.tree.map(leaf, tree)


def _batch(feed: Feed, data: dict, indices: jax.Array, i: jax.Array) -> dict[str, jax.Array]:
    if feed == "memory":
        return gather(data, indices[i])
    return {name: array[i] for name, array in data.items()} | {"weight": weight(indices[i])}


def _train(
    make: Callable[[Values], Learner],
    split: bool,
    feed: Feed,
    values: Values,
    states: Tree,
    totals: Metrics,
    data: dict,
    indices: jax.Array,
    keys: jax.Array,
    first: jax.Array,
    start: jax.Array,
    stop: jax.Array,
) -> tuple[Tree, Metrics, jax.Array]:
    """Updates `start` to `stop` of a window whose first update has number `first`.

    Returns states, totals and the first step of each member whose metrics are not all finite.
    """

    def train(
        values: Values, state: Tree, totals: Metrics, indices: jax.Array, key: jax.Array
    ) -> tuple[Tree, Metrics, jax.Array]:
        learner = make(values)

        def body(i: jax.Array, carry: Tree) -> Tree:
            state, totals, first_nonfinite = carry
            step_key = jax.random.fold_in(key, first + i)
            batch = _batch(feed, data, indices, i)
            with nonempty(batch):  # `batches.Order` checks it.
                state, measured = learner.update(state, batch, step_key)
            step = jnp.where(finite(measured), NO_STEP, first + i)
            totals = jax.tree.map(lambda t, m: t + m, totals, measured)
            return state, totals, jnp.minimum(first_nonfinite, step)

        carry = (state, totals, jnp.int32(NO_STEP))
        state, totals, step = jax.lax.fori_loop(start, stop, body, carry)
        return state, totals, jax.lax.pmin(step, AXIS) if split else step

    return vmap_members(train, values, states, totals, jnp.moveaxis(indices, 1, 0), keys)


def _evaluate(
    make: Callable[[Values], Learner],
    split: bool,
    feed: Feed,
    values: Values,
    states: Tree,
    data: dict,
    indices: jax.Array,
    keys: jax.Array,
    first: jax.Array,
) -> Metrics:
    """Metrics of all examples of a window whose first batch has number `first`."""

    def evaluate(values: Values, state: Tree, key: jax.Array) -> Metrics:
        learner = make(values)

        def batch_metrics(i: jax.Array) -> Metrics:
            step_key = jax.random.fold_in(key, first + i)
            return learner.evaluate(state, _batch(feed, data, indices, i), step_key)

        start = zeros(batch_metrics, jnp.int32(0))
        local = jax.lax.fori_loop(0, len(indices), lambda i, m: add(m, batch_metrics(i)), start)
        return jax.lax.psum(local, AXIS) if split else local

    return vmap_members(evaluate, values, states, keys)


def finite(metrics: Metrics) -> jax.Array:
    """True if every sum and count is finite."""
    leaves = [jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(metrics)]
    return jnp.stack(leaves).all() if leaves else jnp.bool_(True)


def _by_pmap(train: Callable, evaluate: Callable, mesh: Mesh, feed: Feed) -> Programs:
    """Programs of pmap: every array but the bounds has a leading axis of devices."""
    over: Callable = partial(jax.pmap, axis_name=AXIS, devices=list(mesh.devices.flat))
    train = over(train, in_axes=(0,) * 6 + (None,) * 3, donate_argnums=(1, 2))
    evaluate = over(evaluate, in_axes=(0,) * 5 + (None,))

    def unreplicate(tree: Tree) -> Tree:
        # Reads the first device alone: leaf[0] would run a program on all devices for each leaf.
        return jax.tree.map(lambda leaf: leaf.addressable_data(0)[0], tree)

    @jax.jit
    def by_member(totals: Metrics) -> Metrics:
        # Totals are [devices, 1, 1, …]; those of the devices differ.
        return jax.tree.map(lambda t: t[:, :, 0].swapaxes(0, 1), totals)

    def train_and_reduce(*arguments: Any) -> tuple[Tree, Metrics, jax.Array]:
        state, totals, step = train(*arguments)
        return state, totals, unreplicate(step)

    return Programs(
        devices=mesh.size,
        members=1,
        rows=mesh.size,
        feed=feed,
        train=train_and_reduce,
        evaluate=lambda *arguments: unreplicate(evaluate(*arguments)),
        total=jax.jit(partial(jax.tree.map, lambda leaf: leaf.sum(axis=(0, 2)))),
        put=partial(_stack, mesh),
        put_batches=partial(_stack, mesh),
        without_replicas=lambda state, totals: (unreplicate(state), by_member(totals)),
    )


def _total(mesh: Mesh) -> Callable[[Metrics], Metrics]:
    by_member = NamedSharding(mesh, BY_MEMBER)
    return jax.jit(partial(jax.tree.map, lambda rows: rows.sum(axis=1)), out_shardings=by_member)


def _put(mesh: Mesh, tree: Tree, spec: PartitionSpec) -> Tree:
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


def _put_batches(mesh: Mesh, tree: Tree, spec: PartitionSpec) -> Tree:
    sharding = NamedSharding(mesh, spec)
    if jax.process_count() == 1:
        return jax.device_put(tree, sharding)
    put = partial(jax.make_array_from_process_local_data, sharding)
    return jax.tree.map(put, tree)


def _stack(mesh: Mesh, tree: Tree, spec: PartitionSpec) -> Tree:
    """The tree with a leading axis with an entry for each device, as pmap takes it."""
    n = mesh.size

    def leading(leaf: Any) -> Any:
        if AXIS not in spec:
            return jnp.broadcast_to(leaf, (n, *jnp.shape(leaf)))
        axis = spec.index(AXIS)
        shape = leaf.shape
        parts = leaf.reshape(*shape[:axis], n, shape[axis] // n, *shape[axis + 1 :])
        return jnp.moveaxis(parts, axis, 0)

    return jax.device_put(jax.tree.map(leading, tree), NamedSharding(mesh, PartitionSpec(AXIS)))
