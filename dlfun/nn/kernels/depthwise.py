"""Depthwise convolution at stride 1 on the CPU: each channel has a window of its own.

It is a sum of products of shifted images, no matrix product. Width and channels are one axis here,
along which the kernel is repeated, so that the innermost loops are long. Of the kernel's gradient,
which sums over everything but channels, XLA makes loops that are five times slower than sums of
rows that are written out.
"""

from functools import partial, reduce
from itertools import product
from typing import Any

import jax.numpy as jnp
from jax import Array, lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching

from dlfun.nn.kernels.geometry import Pads
from dlfun.nn.kernels.linear_maps import define, one_by_one

ROWS = 32
"""Rows of which the products are written out, at most: the program grows with their number."""


def depthwise(x: Array, kernel: Array, bias: Array | None = None, *, pads: Pads) -> Array:
    """y[n, h, w, c] = Σ x[n, h + i, w + j, c] kernel[i, j, 0, c] over i, j, with zeros around x.

    The input is [batch, height, width, channels], the kernel [*window, 1, channels].
    """
    y = _convolve.bind(x, kernel[:, :, 0], pads=tuple((lo, hi) for lo, hi in pads))
    return y if bias is None else y + bias


def _convolved(x: Array, kernel: Array, *, pads: Pads) -> Array:
    *window, channels = kernel.shape
    rows, width = (
        n + lo + hi - k + 1 for n, (lo, hi), k in zip(x.shape[1:3], pads, window, strict=True)
    )
    repeated = jnp.tile(kernel, (1, 1, width))
    x, repeated = lax.optimization_barrier((_padded(x, pads), repeated))
    y = reduce(
        jnp.add,
        [
            x[:, i : i + rows, j * channels : (j + width) * channels] * repeated[i, j]
            for i, j in product(*map(range, window))
        ],
    )
    return y.reshape(len(x), rows, width, channels)


def _correlated(x: Array, y: Array, *, pads: Pads, window: tuple[int, int]) -> Array:
    """Σ x[n, h + i, w + j, c] y[n, h, w, c] over n, h, w: [*window, channels]."""
    n, height, width, channels = y.shape
    blocks = -(-height // ROWS)
    rows = -(-height // blocks)
    spare = blocks * rows - height
    (top, bottom), sides = pads
    x, y = lax.optimization_barrier(
        (_padded(x, ((top, bottom + spare), sides)), _padded(y, ((0, spare), (0, 0))))
    )
    positions = list(product(*map(range, window)))

    def add(step: Array, sums: list[Array]) -> list[Array]:
        start = (step // blocks, step % blocks * rows, 0)
        above = lax.dynamic_slice(x, start, (1, rows + window[0] - 1, x.shape[2]))[0]
        below = lax.dynamic_slice(y, start, (1, rows, y.shape[2]))[0]
        return [
            reduce(
                jnp.add,
                [
                    above[row + i, j * channels : (j + width) * channels] * below[row]
                    for row in range(rows)
                ],
                total,
            )
            for total, (i, j) in zip(sums, positions, strict=True)
        ]

    zeros = [jnp.zeros(width * channels, y.dtype)] * len(positions)
    sums = jnp.stack(lax.fori_loop(0, n * blocks, add, zeros))
    return sums.reshape(*window, width, channels).sum(axis=2)


def _padded(x: Array, pads: Pads) -> Array:
    """The images [batch, height, width · channels] with zeros around, or less of them."""
    n, height, width, channels = x.shape
    (top, bottom), (left, right) = pads
    borders = ((0, 0, 0), (top, bottom, 0), (left * channels, right * channels, 0))
    return lax.pad(x.reshape(n, height, width * channels), jnp.zeros((), x.dtype), borders)


def _transposed(y: Array, kernel: Array, pads: Pads) -> Array:
    """The gradient of the input of a convolution, given that of its output."""
    window = kernel.shape[:2]
    cuts = tuple((k - 1 - lo, k - 1 - hi) for k, (lo, hi) in zip(window, pads, strict=True))
    return _convolve.bind(y, kernel[::-1, ::-1], pads=cuts)


def _kernel_gradient(y: Array, x: Array, kernel: Any, *, pads: Pads) -> Array:
    return _correlate.bind(x, y, pads=pads, window=kernel.aval.shape[:2])


_convolve, _correlate = Primitive("dlfun_depthwise"), Primitive("dlfun_depthwise_correlation")
for _primitive, _function in ((_convolve, _convolved), (_correlate, _correlated)):
    define(_primitive, _function)
    batching.primitive_batchers[_primitive] = partial(one_by_one, _primitive)
ad.defbilinear(
    _convolve, lambda y, x, kernel, *, pads: _transposed(y, kernel, pads), _kernel_gradient
)
ad.defbilinear(
    _correlate,
    lambda k, x, y, *, pads, window: _transposed(y, k, pads),
    lambda k, x, y, *, pads, window: _convolve.bind(x, k, pads=pads),
)
