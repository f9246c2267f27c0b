"""Lowerings of a convolution: equal results up to rounding, each the fastest for some shapes.

All take an input [batch, *space, in], a kernel [*window, in / groups, out], an optional bias [out]
and the zeros before and after each axis; `dlfun.nn.layers.conv` chooses among them.
"""

from collections.abc import Sequence
from functools import reduce
from itertools import product

import jax.numpy as jnp
from jax import Array, lax

from dlfun.nn.kernels.cache_blocks import block_size, map_blocks
from dlfun.nn.kernels.geometry import Pads, output_size, pad, span

BLOCK_BYTES = 2**21
"""Largest size of a block of images in `by_columns`, with the columns that they share."""
MAX_LONG_ROW = 128
"""Largest number of inputs of an output for which `by_columns` uses im2col and never XLA."""


def xla_conv(
    x: Array,
    kernel: Array,
    bias: Array | None = None,
    *,
    pads: Pads,
    strides: Sequence[int],
    dilation: Sequence[int],
    groups: int = 1,
    spread: Sequence[int] | None = None,
) -> Array:
    """XLA's convolution, of an input whose positions are `spread` apart."""
    space = "DHW"[-len(strides) :]
    y = lax.conv_general_dilated(
        x,
        kernel,
        strides,
        pads,
        lhs_dilation=spread,
        rhs_dilation=dilation,
        dimension_numbers=(f"N{space}C", f"{space}IO", f"N{space}C"),
        feature_group_count=groups,
    )
    return y if bias is None else y + bias


def im2col(
    x: Array,
    kernel: Array,
    bias: Array | None = None,
    *,
    pads: Pads,
    strides: Sequence[int],
    dilation: Sequence[int],
    groups: int = 1,
) -> Array:
    """One matrix product of the kernel with strided slices of the input, one for each position."""
    *window, _, features = kernel.shape
    outs = output_size(x.shape[1:-1], span(window, dilation), strides, pads)
    x = pad(x, pads)
    columns = []
    for position in product(*map(range, window)):
        first = [i * d for i, d in zip(position, dilation, strict=True)]
        last = [f + (o - 1) * s + 1 for f, o, s in zip(first, outs, strides, strict=True)]
        steps = (1, *strides, 1)
        columns.append(lax.slice(x, (0, *first, 0), (len(x), *last, x.shape[-1]), steps))
    if groups == 1:
        y = jnp.concatenate(columns, -1) @ kernel.reshape(-1, features)
    else:
        y = _grouped(columns, kernel, groups)
    return y if bias is None else y + bias


def _grouped(columns: list[Array], kernel: Array, groups: int) -> Array:
    """Grouped convolution: a group of output channels reads the same group of input channels."""
    channels, features = kernel.shape[-2:]
    kernels = kernel.reshape(len(columns), channels, groups, features // groups)
    if channels == 1:  # Depthwise: a sum over one channel is no matrix product.
        maps = [column[..., None] * k[0] for column, k in zip(columns, kernels, strict=True)]
        return reduce(jnp.add, maps).reshape(*columns[0].shape[:-1], features)
    parts = zip(*(lax.split(c, (channels,) * groups, c.ndim - 1) for c in columns), strict=True)
    return jnp.concatenate(
        [
            jnp.concatenate(part, -1) @ kernels[:, :, g].reshape(-1, features // groups)
            for g, part in enumerate(parts)
        ],
        -1,
    )


def by_columns(
    x: Array,
    kernel: Array,
    bias: Array | None = None,
    *,
    pads: Pads,
    strides: Sequence[int],
    columns: int,
) -> Array:
    """Convolution of images of few channels into few features, several columns at a time.

    Neighbouring columns of the output are features of one position, and all columns of the input
    that they read are its channels. So the kernel, filled up with zeros, has height only:

        [h, w, in, out] → [h, 1, (stride · (columns − 1) + w) · in, columns · out].

    Products of these long rows are many times faster than of short ones, though they multiply by
    zeros. So an infinite or NaN input can make outputs NaN that do not depend on it.
    """
    height, width, channels, features = kernel.shape
    stride, (left, _), none = strides[1], pads[1], (0, 0)
    step, reach = stride * columns, stride * (columns - 1) + width
    out = output_size(x.shape[1:-1], (height, width), strides, pads)[1]
    positions = -(-out // columns)
    # A position reads `reach` columns and the next one begins `step` after it: so the columns come
    # in pieces of at most `step`, each a slice of the input.
    pieces = [(first, min(step, reach - first)) for first in range(0, reach, step)]
    read = pieces[-1][0] + positions * step
    shifts = [(stride * i, stride * (columns - 1 - i)) for i in range(columns)]
    banded = jnp.stack([jnp.pad(kernel, (none, shift, none, none)) for shift in shifts], axis=3)
    row = reach * channels
    banded = banded.reshape(height, 1, row, columns * features)
    # XLA is slow where the number of channels is odd.
    convolve = xla_conv if height * row > MAX_LONG_ROW and row % 4 == 0 else im2col

    def convolved(x: Array) -> Array:
        n, _, w, _ = x.shape
        x = pad(x, (pads[0], (left, read - left - w)))
        parts = []
        for first, count in pieces:
            part = x[:, :, first : first + positions * step]
            parts.append(part.reshape(n, -1, positions, step * channels)[..., : count * channels])
        rows, k = lax.optimization_barrier((jnp.concatenate(parts, -1), banded))
        y = convolve(rows, k, pads=(none, none), strides=(strides[0], 1), dilation=(1, 1))
        return y.reshape(n, -1, positions * columns, features)[:, :, :out]

    example_bytes = (x.shape[1] + sum(pads[0])) * positions * row * x.dtype.itemsize
    size = block_size(len(x), example_bytes, BLOCK_BYTES)
    y = map_blocks(convolved, x, size) if size < len(x) else convolved(x)
    return y if bias is None else y + bias
