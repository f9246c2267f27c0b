"""Pooling: each window of positions becomes one.

All work over any number of axes of space. `window`, `strides` (default: the window) are one number
for all axes or one for each; padding is as in `geometry.pads`.
"""

from collections.abc import Callable, Sequence
from functools import reduce
from itertools import product

import flax.linen as nn
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float

from dlfun.errors import with_layer_path
from dlfun.nn.kernels import geometry
from dlfun.nn.kernels.geometry import Padding

Sizes = int | Sequence[int]


def max_pool(
    x: Float[Array, "batch *space channels"],
    window: Sizes = 2,
    strides: Sizes | None = None,
    padding: Padding = "VALID",
) -> Float[Array, "batch *out_space channels"]:
    """The maximum under each window that fits; padding is smaller than every number.

    Of equal maxima the first in row order takes the whole gradient, and a NaN is larger than every
    number: both as in PyTorch. The gradient is summed in a fixed order, on a GPU too.

    Raises:
        ValueError: the window is larger than the image.
    """
    axes = x.ndim - 2
    reach, steps, around = _geometry(x.shape[1:-1], window, strides, padding)
    geometry.output_size(x.shape[1:-1], reach, steps, around)  # Refused whole, not by an axis.
    # Windows that overlap go axis by axis: of 3×3 positions the gradient then spreads 6, not 9. The
    # last axis first, so that the first of equal maxima is the first in row order.
    passes = [{a} for a in reversed(range(axes))] if steps != reach else [set(range(axes))]
    for along in passes:
        found = _positions(
            x,
            [k if a in along else 1 for a, k in enumerate(reach)],
            [s if a in along else 1 for a, s in enumerate(steps)],
            [p if a in along else (0, 0) for a, p in enumerate(around)],
            -jnp.inf,
        )
        x = reduce(lambda m, b: jnp.where((b > m) | (b != b), b, m), found)
    return x


def avg_pool(
    x: Float[Array, "batch *space channels"],
    window: Sizes = 2,
    strides: Sizes | None = None,
    padding: Padding = "VALID",
) -> Float[Array, "batch *out_space channels"]:
    """The mean under each window that fits, zeros of the padding counted.

    Raises:
        ValueError: the window is larger than the image.
    """
    found = _positions(x, *_geometry(x.shape[1:-1], window, strides, padding), 0.0)
    return reduce(jnp.add, found) / len(found)


def l2_pool(
    x: Float[Array, "batch *space channels"],
    window: Sizes = 2,
    strides: Sizes | None = None,
    padding: Padding = "VALID",
) -> Float[Array, "batch *out_space channels"]:
    """√Σx² under each window that fits; its gradient where all are 0 is 0.

    Raises:
        ValueError: the window is larger than the image.
    """
    settled = _geometry(x.shape[1:-1], window, strides, padding)
    squares = reduce(jnp.add, _positions(jnp.square(x), *settled, 0.0))
    # √ has no derivative at 0, and `where` alone would let its infinity through as 0 · ∞.
    something = squares > 0
    return jnp.where(something, jnp.sqrt(jnp.where(something, squares, 1)), 0)


def k_max_pool(x: Float[Array, "batch time channels"], k: int) -> Float[Array, "batch k channels"]:
    """The k largest of each channel over time, in the order they came (Kalchbrenner et al., 2014).

    Raises:
        ValueError: a sequence shorter than k.
    """
    if x.shape[1] < k:
        raise ValueError(
            f"{k}-max pooling of a sequence of {x.shape[1]}: it has to be at least {k}"
        )
    _, places = lax.top_k(x.swapaxes(1, 2), k)
    return jnp.take_along_axis(x, jnp.sort(places, axis=-1).swapaxes(1, 2), axis=1)


def global_max_pool(x: Float[Array, "batch *space channels"]) -> Float[Array, "batch channels"]:
    """The maximum of each channel over all positions."""
    return x.max(tuple(range(1, x.ndim - 1)))


def global_avg_pool(x: Float[Array, "batch *space channels"]) -> Float[Array, "batch channels"]:
    """The mean of each channel over all positions (Lin et al., 2014)."""
    return x.mean(tuple(range(1, x.ndim - 1)))


def spatial_pyramid(
    x: Float[Array, "batch *space channels"],
    levels: Sequence[int] = (1, 2, 4),
    pool: Callable[[Array], Array] = global_max_pool,
) -> Float[Array, "batch features"]:
    """`pool` of the whole image, of its quarters, its sixteenths…: a fixed length from any size.

    Level n parts every axis of W into n bins, from ⌊i W / n⌋ to ⌈(i + 1) W / n⌉, so that they
    overlap where n does not divide W (He et al., 2014). Level by level, bins in row order, the
    channels of each: Σ n^axes · channels features.

    Raises:
        ValueError: an image with fewer positions than bins.
    """
    size = x.shape[1:-1]
    if min(size) < max(levels):
        raise ValueError(
            f"a {geometry.times(size)} image is too small for a pyramid of {max(levels)} bins an "
            f"axis; it has to be at least {geometry.times([max(levels)] * len(size))}"
        )
    bins = []
    for n in levels:
        for cell in product(range(n), repeat=len(size)):
            first = [i * w // n for i, w in zip(cell, size, strict=True)]
            last = [-(-(i + 1) * w // n) for i, w in zip(cell, size, strict=True)]
            bins.append(pool(lax.slice(x, (0, *first, 0), (len(x), *last, x.shape[-1]))))
    return jnp.concatenate(bins, axis=1)


class Pool(nn.Module):
    """A pooling of windows as a layer, which errors and the summary of a model can name."""

    pool: Callable[..., Array] = max_pool
    window: Sizes = 2
    strides: Sizes | None = None
    padding: Padding = "VALID"

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch *space channels"]
    ) -> Float[Array, "batch *out_space channels"]:
        """Pool. Raises ValueError, naming the layer, where no window fits."""
        with with_layer_path(self):
            return self.pool(x, self.window, self.strides, self.padding)

    def geometry(
        self, size: Sequence[int]
    ) -> tuple[tuple[int, ...], tuple[int, ...], geometry.Pads]:
        """Window, strides and pads of each axis for an image of `size`."""
        return _geometry(size, self.window, self.strides, self.padding)


def _geometry(
    size: Sequence[int], window: Sizes, strides: Sizes | None, padding: Padding
) -> tuple[tuple[int, ...], tuple[int, ...], geometry.Pads]:
    """Window, strides and pads of each axis."""
    reach = geometry.per_axis(window, len(size))
    steps = reach if strides is None else geometry.per_axis(strides, len(size))
    return reach, steps, geometry.pads(size, reach, steps, padding)


def _positions(
    x: Array, reach: Sequence[int], steps: Sequence[int], around: geometry.Pads, fill: float
) -> list[Array]:
    """For each position in a window, in row order: the values there, one for each window."""
    axes = x.ndim - 2
    outs = geometry.output_size(x.shape[1:-1], reach, steps, around)
    if any(map(any, around)):
        x = jnp.pad(x, [(0, 0), *around, (0, 0)], constant_values=fill)
    n, c = len(x), x.shape[-1]
    if steps == reach:
        # Splits, whose gradient is a concatenation; that of slices is a sum of padded images.
        whole = [o * k for o, k in zip(outs, reach, strict=True)]
        x = lax.slice(x, (0,) * x.ndim, (n, *whole, c))
        parts = [x.reshape(n, *(s for pair in zip(outs, reach, strict=True) for s in pair), c)]
        inner = range(2, 2 * axes + 1, 2)
        for axis, k in zip(inner, reach, strict=True):
            parts = [p for part in parts for p in lax.split(part, (1,) * k, axis)]
        return [lax.squeeze(p, tuple(inner)) for p in parts]
    return [
        lax.slice(
            x,
            (0, *first, 0),
            (n, *(f + (o - 1) * s + 1 for f, o, s in zip(first, outs, steps, strict=True)), c),
            (1, *steps, 1),
        )
        for first in product(*map(range, reach))
    ]
