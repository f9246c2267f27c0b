"""Pooling: each window of positions becomes one."""

from functools import reduce
from itertools import product

import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float


def max_pool(
    x: Float[Array, "batch height width channels"], window: int = 2, strides: int | None = None
) -> Float[Array, "batch out_height out_width channels"]:
    """The maximum of each window×window square that fits, `strides` apart (default: the window).

    Of equal maxima the first in row order takes the whole gradient, and a NaN is larger than every
    number: both as in PyTorch. The gradient is summed in a fixed order, on a GPU too.

    Raises:
        ValueError: the window is larger than the image.
    """
    return reduce(lambda m, b: jnp.where((b > m) | (b != b), b, m), _positions(x, window, strides))


def avg_pool(
    x: Float[Array, "batch height width channels"], window: int = 2, strides: int | None = None
) -> Float[Array, "batch out_height out_width channels"]:
    """The mean of each window×window square that fits, `strides` apart (default: the window).

    Raises:
        ValueError: the window is larger than the image.
    """
    return reduce(lambda s, b: s + b, _positions(x, window, strides)) / window**2


def _positions(x: Array, window: int, strides: int | None) -> list[Array]:
    """For each position in a window, in row order: the values there, one for each window."""
    n, height, width, c = x.shape
    step = window if strides is None else strides
    h, w = (height - window) // step + 1, (width - window) // step + 1
    if h < 1 or w < 1:
        raise ValueError(
            f"pooling: a {height}x{width} image leaves no output under a {window}x{window} window"
        )
    if step == window:
        # Splits, whose gradient is a concatenation; that of slices is a sum of padded images.
        x = x[:, : h * window, : w * window].reshape(n, h, window, w, window, c)
        ones = (1,) * window
        rows = lax.split(x, ones, 2)
        return [lax.squeeze(p, (2, 4)) for row in rows for p in lax.split(row, ones, 4)]
    return [
        lax.slice(
            x,
            (0, i, j, 0),
            (n, i + (h - 1) * step + 1, j + (w - 1) * step + 1, c),
            (1, step, step, 1),
        )
        for i, j in product(range(window), repeat=2)
    ]
