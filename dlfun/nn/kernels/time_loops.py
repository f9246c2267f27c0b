"""Loops and products over the steps of sequences, whose number may be known only at run time.

Arrays lie time first, [time, batch, …]. `steps`, an int32 scalar, is the number of steps that the
batch's longest sequence has: a step after it costs nothing, in one program for all lengths. None
stands for all steps.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float, Int

BLOCK = 8
"""Steps of one product: with fewer, small products cost more; with more, padding does."""

Steps = Int[Array, ""] | None


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

    def inputs(t: Any) -> Any:
        return jax.tree.map(lambda x: lax.dynamic_index_in_dim(x, t, keepdims=False), xs)

    size = jax.tree.leaves(xs)[0].shape[0]
    _, shapes = jax.eval_shape(step, carry, jax.eval_shape(inputs, 0))
    outputs = jax.tree.map(lambda s: jnp.zeros((size, *s.shape), s.dtype), shapes)

    def body(i: Array, loop: Any) -> Any:
        carry, outputs = loop
        t = steps - 1 - i if reverse else i
        carry, new = step(carry, inputs(t))
        return carry, jax.tree.map(
            lambda array, row: lax.dynamic_update_index_in_dim(array, row, t, 0), outputs, new
        )

    return lax.fori_loop(0, steps, body, (carry, outputs))


def _blocks(steps: Array) -> Array:
    return (steps + (BLOCK - 1)) // BLOCK


def _block(x: Array, k: Array) -> Array:
    """Block k of an array's steps, as rows."""
    return lax.dynamic_slice_in_dim(x, k * BLOCK, BLOCK).reshape(-1, x.shape[-1])


def product(
    x: Float[Array, "time batch inputs"], kernel: Float[Array, "inputs outputs"], steps: Steps
) -> Float[Array, "time batch outputs"]:
    """x_t W for each step; 0 after the last block of 8 steps that begins before `steps`.

    The number of steps must be a multiple of 8 where `steps` is given.
    """
    time, batch, _ = x.shape
    if steps is None:
        return (x.reshape(time * batch, -1) @ kernel).reshape(time, batch, -1)

    def body(k: Array, result: Array) -> Array:
        rows = (_block(x, k) @ kernel).reshape(BLOCK, batch, -1)
        return lax.dynamic_update_slice_in_dim(result, rows, k * BLOCK, 0)

    zeros = jnp.zeros((time, batch, kernel.shape[-1]), x.dtype)
    return lax.fori_loop(0, _blocks(steps), body, zeros)


def sum_of_products(
    x: Float[Array, "time batch inputs"], d: Float[Array, "time batch outputs"], steps: Steps
) -> Float[Array, "inputs outputs"]:
    """Σ_t x_tᵀ d_t, the gradient of a kernel that is the same in all steps."""
    if steps is None:
        return x.reshape(-1, x.shape[-1]).T @ d.reshape(-1, d.shape[-1])
    zeros = jnp.zeros((x.shape[-1], d.shape[-1]), x.dtype)
    return lax.fori_loop(0, _blocks(steps), lambda k, s: s + _block(x, k).T @ _block(d, k), zeros)
