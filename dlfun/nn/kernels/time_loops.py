"""Loops over the steps of sequences, whose number may be known only at run time.

`steps`, an int32 scalar, is the number of steps that the batch's longest sequence has: a step after
it costs nothing, in one program for all lengths. None stands for all steps.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Int

Steps = Int[Array, ""] | None


def block_size(time: int) -> int:
    """Steps of a block of `scan_blocks`: 8 to 12, whichever adds least padding to `time` steps.

    With fewer, small products cost more; with more, steps after the end do.
    """
    return min(range(8, 13), key=lambda size: -time % size)


def scan(
    step: Callable[[Any, Any], tuple[Any, Any]],
    carry: Any,
    xs: Any,
    steps: Steps = None,
    reverse: bool = False,
    unroll: int = 1,
) -> tuple[Any, Any]:
    """`lax.scan` over the first `steps` elements of `xs`; outputs of the later ones are 0.

    In the reverse direction it begins at element `steps` - 1. JAX cannot differentiate it where
    `steps` is given.
    """
    if steps is None:
        return lax.scan(step, carry, xs, reverse=reverse, unroll=unroll)

    def read(t: Array) -> Any:
        return jax.tree.map(lambda x: lax.dynamic_index_in_dim(x, t, keepdims=False), xs)

    def write(output: Array, new: Array, t: Array) -> Array:
        return lax.dynamic_update_index_in_dim(output, new, t, 0)

    size = len(jax.tree.leaves(xs)[0])
    _, shapes = jax.eval_shape(step, carry, jax.eval_shape(read, 0))
    outputs = jax.tree.map(lambda s: jnp.zeros((size, *s.shape), s.dtype), shapes)
    return _loop(step, carry, outputs, jnp.minimum(steps, size), reverse, read, write)


def scan_blocks(
    step: Callable[[Any, Any, Steps], tuple[Any, Any]],
    carry: Any,
    xs: Any,
    steps: Steps,
    reverse: bool = False,
) -> tuple[Any, Any]:
    """Scan over blocks of steps of arrays [batch, time, …], up to the block where `steps` end.

    `step` takes the carry, the arrays of a block, time first, and the number of its steps that are
    before `steps` (or more than it has). It returns such arrays, or arrays of one step, of which
    the result then has one a block. Where `steps` is None, one block has all steps; else their
    number must be a multiple of `block_size`.
    """
    if steps is None:
        carry, outputs = step(carry, _time_first(xs), None)
        return carry, _time_first(outputs)
    time = jax.tree.leaves(xs)[0].shape[1]
    size = block_size(time)
    blocks = time // size

    def read(k: Array) -> Any:
        def block(x: Array) -> Array:
            n = x.shape[1] // blocks
            return lax.dynamic_slice_in_dim(x, k * n, n, 1)

        return _time_first(jax.tree.map(block, xs)), steps - k * size

    def write(output: Array, new: Array, k: Array) -> Array:
        return lax.dynamic_update_slice_in_dim(output, new.swapaxes(0, 1), k * len(new), 1)

    def block_step(carry: Any, inputs: Any) -> tuple[Any, Any]:
        return step(carry, *inputs)

    def whole(s: jax.ShapeDtypeStruct) -> Array:
        n, batch, *rest = s.shape
        return jnp.zeros((batch, n * blocks, *rest), s.dtype)

    _, shapes = jax.eval_shape(block_step, carry, jax.eval_shape(read, 0))
    outputs = jax.tree.map(whole, shapes)
    count = jnp.minimum(-(-steps // size), blocks)
    return _loop(block_step, carry, outputs, count, reverse, read, write)


def _time_first(arrays: Any) -> Any:
    """Arrays [batch, time, …] time first, or the other way."""
    return jax.tree.map(lambda x: x.swapaxes(0, 1), arrays)


def _loop(
    step: Callable[[Any, Any], tuple[Any, Any]],
    carry: Any,
    outputs: Any,
    count: Array,
    reverse: bool,
    read: Callable[[Array], Any],
    write: Callable[[Array, Array, Array], Array],
) -> tuple[Any, Any]:
    """Scan over `read(k)` for k below `count`, where `write(output, new, k)` keeps the results."""

    def body(i: Array, loop: Any) -> Any:
        carry, outputs = loop
        k = count - 1 - i if reverse else i
        carry, new = step(carry, read(k))
        return carry, jax.tree.map(lambda output, part: write(output, part, k), outputs, new)

    return lax.fori_loop(0, count, body, (carry, outputs))
