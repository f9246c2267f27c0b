"""Pooling: a window of positions is reduced to one.

All functions take any number of spatial axes. `window` and `strides` (default: the window) are one
number for all axes or one for each; padding is as in `geometry.pads`.
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
    """Maximum under each window that fits; padding counts as -∞.

    Of equal maxima the first in row order takes the whole gradient, and a NaN counts as the
    maximum, as in PyTorch. The gradient is summed in a fixed order, on a GPU too.

    Raises:
        ValueError: the window is larger than the image.
    """
    axes = x.ndim - 2
    reach, steps, pads = _geometry(x.shape[1:-1], window, strides, padding)
    geometry.output_size(x.shape[1:-1], reach, steps, pads)  # Its error names all axes.
    # Overlapping windows are reduced axis by axis: for 3×3 positions the gradient is then a sum of
    # 6 arrays, not of 9. The last axis comes first: of equal maxima the first in row order wins.
    passes = [{a} for a in reversed(range(axes))] if steps != reach else [set(range(axes))]
    for along in passes:
        positions = _positions(
            x,
            [k if a in along else 1 for a, k in enumerate(reach)],
            [s if a in along else 1 for a, s in enumerate(steps)],
            [p if a in along else (0, 0) for a, p in enumerate(pads)],
            -jnp.inf,
        )
        x = reduce(lambda m, b: jnp.where((b > m) | (b != b), b, m), positions)
    return x


def avg_pool(
    x: Float[Array, "batch *space channels"],
    window: Sizes = 2,
    strides: Sizes | None = None,
    padding: Padding = "VALID",
) -> Float[Array, "batch *out_space channels"]:
    """Mean under each window that fits, including the zeros of the padding.

    Raises:
        ValueError: the window is larger than the image.
    """
    positions = _positions(x, *_geometry(x.shape[1:-1], window, strides, padding), 0.0)
    return reduce(jnp.add, positions) / len(positions)


def l2_pool(
    x: Float[Array, "batch *space channels"],
    window: Sizes = 2,
    strides: Sizes | None = None,
    padding: Padding = "VALID",
) -> Float[Array, "batch *out_space channels"]:
    """√Σx² under each window that fits; its gradient is 0 where all x are 0.

    Raises:
        ValueError: the window is larger than the image.
    """
    arguments = _geometry(x.shape[1:-1], window, strides, padding)
    squares = reduce(jnp.add, _positions(jnp.square(x), *arguments, 0.0))
    # √ has no derivative at 0. The inner `where` avoids 0 · ∞ in the gradient of the outer one.
    nonzero = squares > 0
    return jnp.where(nonzero, jnp.sqrt(jnp.where(nonzero, squares, 1)), 0)


def k_max_pool(x: Float[Array, "batch time channels"], k: int) -> Float[Array, "batch k channels"]:
    """The k largest values of each channel over time, in order of time (Kalchbrenner et al., 2014).

    Raises:
        ValueError: a sequence shorter than k.
    """
    if x.shape[1] < k:
        raise ValueError(
            f"{k}-max pooling of a sequence of {x.shape[1]}: it has to be at least {k}"
        )
    _, times = lax.top_k(x.swapaxes(1, 2), k)
    return jnp.take_along_axis(x, jnp.sort(times, axis=-1).swapaxes(1, 2), axis=1)


def global_max_pool(x: Float[Array, "batch *space channels"]) -> Float[Array, "batch channels"]:
    """The maximum of each channel over all positions."""
    return x.max(tuple(range(1, x.ndim - 1)))


def global_avg_pool(x: Float[Array, "batch *space channels"]) -> Float[Array, "batch channels"]:
    """Mean of each channel over all positions (Lin et al., 2014)."""
    return x.mean(tuple(range(1, x.ndim - 1)))


def spatial_pyramid(
    x: Float[Array, "batch *space channels"],
    levels: Sequence[int] = (1, 2, 4),
    pool: Callable[[Array], Array] = global_max_pool,
) -> Float[Array, "batch features"]:
    """Pool over an image, its quarters, its sixteenths, …: a fixed length for all sizes.

    Level n divides an axis of W into n bins, from ⌊i W / n⌋ to ⌈(i + 1) W / n⌉, which overlap where
    n does not divide W (He et al., 2014). The Σ n^axes · channels features are ordered by level, by
    bin in row order, and by channel.

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
    """Pooling by windows as a layer, which errors and the summary of a model can name."""

    pool: Callable[..., Array] = max_pool
    window: Sizes = 2
    strides: Sizes | None = None
    padding: Padding = "VALID"

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch *space channels"]
    ) -> Float[Array, "batch *out_space channels"]:
        """Pool x. Raises ValueError with the name of the layer where no window fits."""
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
    x: Array, reach: Sequence[int], steps: Sequence[int], pads: geometry.Pads, fill: float
) -> list[Array]:
    """Values of each window at a position, for all positions in a window in row order."""
    axes = x.ndim - 2
    outs = geometry.output_size(x.shape[1:-1], reach, steps, pads)
    if any(map(any, pads)):
        x = jnp.pad(x, [(0, 0), *pads, (0, 0)], constant_values=fill)
    n, c = len(x), x.shape[-1]
    if steps == reach:
        # The gradient of a split is a concatenation; that of slices is a sum of padded images.
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
