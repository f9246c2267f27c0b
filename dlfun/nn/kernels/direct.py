"""Convolution as a bilinear map whose two gradients are convolutions of the same kind.

The gradient of the input convolves the output's gradient, dilated by the stride, with the reversed
kernel. XLA would multiply the zeros of a dilated input, and `transpose_by_blocks` does not. The
gradient of the kernel convolves the input with the output's gradient, where examples and channels
exchange their roles. JAX expresses these gradients by dimension numbers, for which XLA's CPU
convolution is about 50 times slower inside a loop; so the arrays are transposed first.
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array
from jax.extend.core import Primitive
from jax.interpreters import ad, batching

from dlfun.nn.kernels.blocks import divides, transpose_by_blocks
from dlfun.nn.kernels.geometry import Pads, span
from dlfun.nn.kernels.linear_maps import define, linear_map, not_fused, one_by_one
from dlfun.nn.kernels.lowerings import by_columns, xla_conv

MAX_REACH = 11
"""Largest height and width of a window for which several columns are computed at a time."""
MAX_BLOCKS = 16
"""Blocks of a window, each a matrix product, that `transpose_by_blocks` may have at most."""


class Window(NamedTuple):
    """Strides, padding and dilation of a convolution, a number for each spatial axis."""

    strides: tuple[int, ...]
    pads: tuple[tuple[int, int], ...]
    """Zeros before and after the input; negative numbers crop it."""
    dilation: tuple[int, ...]
    """Distance between two positions of the kernel."""
    spread: tuple[int, ...]
    """Distance between two positions of the input, with zeros between them."""


def direct(
    x: Array,
    kernel: Array,
    bias: Array | None = None,
    *,
    pads: Pads,
    strides: Sequence[int],
    dilation: Sequence[int],
) -> Array:
    """Convolve an input [batch, *space, in] with a kernel [*window, in, out]."""
    ends = tuple((lo, hi) for lo, hi in pads)
    window = Window(tuple(strides), ends, tuple(dilation), (1,) * len(ends))
    y = _convolve.bind(x, kernel, window=window)
    return y if bias is None else y + bias


def _fastest(x: Array, kernel: Array, *, window: Window) -> Array:
    """The fastest lowering on a CPU, by the measurements in `dlfun.nn.layers.conv`."""
    columns = _columns(x, kernel, window)
    if columns > 1:
        return by_columns(x, kernel, pads=window.pads, strides=window.strides, columns=columns)
    return xla_conv(x, kernel, **window._asdict())


def _columns(x: Array, kernel: Array, window: Window) -> int:
    """The number of columns of the output that are computed at a time."""
    *reach, channels, features = kernel.shape
    if x.size == 0 or len(reach) != 2 or max(reach) > MAX_REACH:  # Empty under an empty `vmap`.
        return 1
    if max(*window.dilation, *window.spread) > 1:
        return 1
    few = max(channels, features) <= 16 and channels * features <= 128
    if not few and (channels != 3 or features >= 64):
        return 1
    return 4 if features <= 8 and window.strides[1] == 1 else 2


def _in_blocks(kernel: Array, window: Window) -> bool:
    """True if `transpose_by_blocks` is the fastest, by measurements in `dlfun.nn.layers.conv`."""
    *reach, _, features = kernel.shape
    if max(*window.strides, *window.dilation) > 1 or min(window.spread) == 1:
        return False
    blocks = math.prod(-(-r // s) for r, s in zip(reach, window.spread, strict=True))
    return blocks <= MAX_BLOCKS and (features < 32 or divides(window.spread, reach))


def _by_blocks(x: Array, kernel: Array, window: Window) -> Array:
    """Convolution of an input with zeros between its positions, without multiplying the zeros."""
    reach = kernel.shape[:-2]
    ends = zip(span(x.shape[1:-1], window.spread), window.pads, reach, strict=True)
    size = [n + lo + hi - r + 1 for n, (lo, hi), r in ends]
    cuts = [(r - 1 - lo, r - 1 - hi) for r, (lo, hi) in zip(reach, window.pads, strict=True)]
    kernel = _transposed(kernel)
    return transpose_by_blocks(x, kernel, strides=window.spread, pads=cuts, size=size)


def _transposed(kernel: Array) -> Array:
    """Kernel of the convolution that propagates gradients to the input of another."""
    return jnp.flip(kernel, tuple(range(kernel.ndim - 2))).swapaxes(-1, -2)


def _compute(x: Array, kernel: Array, *, window: Window) -> Array:
    if _in_blocks(kernel, window):
        return _by_blocks(x, kernel, window)
    return not_fused(partial(_fastest, window=window), x, kernel)


def _input_gradient(y: Array, x: Any, kernel: Array, *, window: Window) -> Array:
    out, reach, grown = _sizes(y, x.aval, kernel, window)
    before = [r - lo - 1 for r, (lo, _) in zip(reach, window.pads, strict=True)]
    ends = zip(before, grown, reach, out, strict=True)
    pads = tuple((lo, g + r - 1 - o - lo) for lo, g, r, o in ends)
    transposed = Window(window.spread, pads, window.dilation, window.strides)
    return _convolve.bind(y, _transposed(kernel), window=transposed)


def _kernel_gradient(y: Array, x: Array, kernel: Any, *, window: Window) -> Array:
    out, reach, grown = _sizes(y, x, kernel.aval, window)
    ends = zip(window.pads, grown, reach, out, strict=True)
    pads = tuple((lo, o - g + r - lo - 1) for (lo, _), g, r, o in ends)
    examples = linear_map(_ends_swapped, _ends_swapped, None, x)
    kernels = linear_map(_batch_inward, _batch_outward, None, y)
    transposed = Window(window.dilation, pads, window.strides, window.spread)
    return jnp.moveaxis(_convolve.bind(examples, kernels, window=transposed), 0, -2)


def _sizes(y: Any, x: Any, kernel: Any, window: Window) -> tuple[tuple[int, ...], ...]:
    """Sizes: strided span of the output, dilated span of the kernel, spread of the input."""
    out = span(y.shape[1:-1], window.strides)
    return out, span(kernel.shape[:-2], window.dilation), span(x.shape[1:-1], window.spread)


def _ends_swapped(_: None, x: Array) -> Array:
    return x.swapaxes(0, -1)


def _batch_inward(_: None, y: Array) -> Array:
    return jnp.moveaxis(y, 0, -2)


def _batch_outward(_: None, y: Array) -> Array:
    return jnp.moveaxis(y, -2, 0)


def _batched(args: Sequence[Array], axes: Sequence[int | None], *, window: Window) -> Any:
    (x, kernel), (x_axis, kernel_axis) = args, axes
    if kernel_axis is None and x_axis is not None:
        x = jnp.moveaxis(x, x_axis, 0)
        y = _convolve.bind(x.reshape(-1, *x.shape[2:]), kernel, window=window)
        return y.reshape(*x.shape[:2], *y.shape[1:]), 0
    return one_by_one(_convolve, args, axes, window=window)


_convolve = Primitive("dlfun_convolve")
define(_convolve, _compute)
ad.defbilinear(_convolve, _input_gradient, _kernel_gradient)
batching.primitive_batchers[_convolve] = _batched
