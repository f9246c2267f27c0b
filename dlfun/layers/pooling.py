"""Pooling: each window of positions becomes one."""

from functools import reduce

import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float


def max_pool(
    x: Float[Array, "batch height width channels"], window: int = 2, strides: int | None = None
) -> Float[Array, "batch out_height out_width channels"]:
    """Maximum of each window."""
    return reduce(lambda m, b: jnp.where((b > m) | (b != b), b, m), _windows(x, window, strides))


def avg_pool(
    x: Float[Array, "batch height width channels"], window: int = 2, strides: int | None = None
) -> Float[Array, "batch out_height out_width channels"]:
    """Mean of each window."""
    return sum(_windows(x, window, strides)) / window**2


def _windows(x, window, strides):
    s = strides or window
    h, w = ((n - window) // s + 1 for n in x.shape[1:3])
    return [
        lax.slice(
            x,
            (0, i, j, 0),
            (x.shape[0], i + (h - 1) * s + 1, j + (w - 1) * s + 1, x.shape[3]),
            (1, s, s, 1),
        )
        for i in range(window)
        for j in range(window)
    ]
