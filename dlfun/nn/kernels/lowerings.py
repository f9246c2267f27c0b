"""Lowerings of a convolution: equal results up to rounding, each the fastest for some shapes.

All take an input [batch, *space, in], a kernel [*window, in / groups, out], an optional bias [out]
and the zeros before and after each axis; `dlfun.nn.layers.conv` chooses among them.
"""

from collections.abc import Callable, Sequence
from functools import reduce
from itertools import product

import jax.numpy as jnp
from jax import Array, lax

from dlfun.nn.kernels.geometry import Pads, output_size, span

Grid = list[list[Array]]


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
    x = _pad(x, pads)
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


def tiled_3x3(x: Array, kernel: Array, bias: Array | None = None, *, pads: Pads) -> Array:
    """Convolution by 3×3 at stride 1 of few channels: 4×4 tiles times four kernels.

    Each kernel gives one of the 2×2 outputs of a tile. The 16 positions of the tiles are the first
    axis, because a short innermost axis, such as the channels, would be slow.
    """
    channels, features = kernel.shape[2:]

    def even(x: Array) -> Grid:
        n, h, w, _ = x.shape
        rows = [d.transpose(3, 0, 1, 2).reshape(channels, -1) for r in _tiles(x) for d in r]
        columns = lax.optimization_barrier(jnp.concatenate(rows)).T

        def output(i: int, j: int) -> Array:
            k = jnp.pad(kernel, ((i, 1 - i), (j, 1 - j), (0, 0), (0, 0)))
            return (columns @ k.reshape(16 * channels, features)).reshape(
                n, h // 2, w // 2, features
            )

        y = lax.optimization_barrier([[output(i, j) for j in (0, 1)] for i in (0, 1)])
        return y if bias is None else [[e + bias for e in row] for row in y]

    return _by_tiles(even, x, pads)


def _by_tiles(even: Callable[[Array], Grid], x: Array, pads: Pads) -> Array:
    """Convolution by 3×3 of any size, from a function `even` for even sizes that keeps the size.

    `even` returns its output by phases: [i][j] holds rows i, i + 2, … and columns j, j + 2, ….
    """
    outs = [size + lo + hi - 2 for size, (lo, hi) in zip(x.shape[1:3], pads, strict=True)]
    skips = [max(1 - lo, 0) for lo, _ in pads]
    fits = []
    for size, (lo, _), out, skip in zip(x.shape[1:3], pads, outs, skips, strict=True):
        before = max(lo - 1, 0)
        whole = max(size + before, skip + out)
        fits.append((before, whole + whole % 2 - size - before))
    phases = even(_pad(x, fits))
    # Concatenated along axes of size 1, so that XLA cancels this with the split of a pooling layer.
    n, h, w, c = phases[0][0].shape
    rows = [lax.concatenate([y.reshape(n, h, 1, w, 1, c) for y in row], 4) for row in phases]
    y = lax.concatenate(rows, 2).reshape(n, 2 * h, 2 * w, c)
    return y[:, skips[0] : skips[0] + outs[0], skips[1] : skips[1] + outs[1]]


def _tiles(x: Array) -> Grid:
    """[i][j] holds position (i, j) of all 4×4 tiles of x, which start at (−1, −1) and 2 apart."""
    n, h, w, c = x.shape
    halves = lax.split(x.reshape(n, h // 2, 2, w // 2, 2, c), (1, 1), 2)
    phases = [[lax.squeeze(q, (2, 4)) for q in lax.split(p, (1, 1), 4)] for p in halves]

    def along(axis: int) -> Callable[[list[Array]], list[Array]]:
        return lambda p: [_shift(p[1], axis, 1), p[0], p[1], _shift(p[0], axis, -1)]

    rows = [along(2)(row) for row in phases]
    return _transpose([along(1)(column) for column in _transpose(rows)])


def _transpose(grid: Grid) -> Grid:
    return [list(column) for column in zip(*grid, strict=True)]


def _shift(x: Array, axis: int, by: int) -> Array:
    """Shift x along an axis by ±1, with zeros at the border."""
    config = [(by, -by, 0) if a == axis else (0, 0, 0) for a in range(x.ndim)]
    return lax.pad(x, jnp.zeros((), x.dtype), config)


def _pad(x: Array, pads: Pads) -> Array:
    if all(p == (0, 0) for p in pads):
        return x
    return jnp.pad(x, [(0, 0), *pads, (0, 0)])
