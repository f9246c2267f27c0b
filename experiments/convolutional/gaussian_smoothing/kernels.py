"""Smoothing an image by a normalized kernel, as a convolution that has nothing to learn."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from dlfun.nn.kernels import geometry
from dlfun.nn.kernels.lowerings import xla_conv


def gaussian(
    sigma: float | Float[Array, ""], radius: int, axes: int = 2
) -> Float[Array, "*window"]:
    """The kernel g ∝ exp(-(x² + y²)/2σ²) over x, y in -radius … radius, of sum 1.

    σ is in pixels. What lies beyond the radius is cut off before the sum is made 1, so that a wide
    σ in a narrow window tends to the plain mean. `axes` = 1 gives the kernel of one axis, whose
    outer product with itself is the kernel of two.
    """
    squares = jnp.square(jnp.arange(-radius, radius + 1, dtype=jnp.float32))
    distance = sum(squares.reshape([-1] + [1] * axis) for axis in range(axes))
    # By the distance from the middle, where it is 0: no σ, however small, leaves a sum of 0.
    weights = jnp.exp(-distance / (2 * sigma**2))
    return weights / weights.sum()


def smooth(
    images: Float[Array, "batch height width channels"],
    kernel: Float[Array, "window window"],
) -> Float[Array, "batch height width channels"]:
    """Each channel alone under the kernel, zeros around: K² multiplications a pixel."""
    return _each_channel(images, kernel)


def smooth_separable(
    images: Float[Array, "batch height width channels"],
    kernel: Float[Array, " window"],
) -> Float[Array, "batch height width channels"]:
    """The columns and then the rows under a kernel of one axis: 2K multiplications a pixel."""
    return _each_channel(_each_channel(images, kernel[:, None]), kernel[None])


def total_variation(
    images: Float[Array, "batch height width channels"],
) -> Float[Array, " batch"]:
    """Σ |difference| of neighbours below and to the right (Rudin, Osher & Fatemi, 1992)."""
    down, right = (jnp.abs(jnp.diff(images, axis=axis)).sum((1, 2, 3)) for axis in (1, 2))
    return down + right


def _each_channel(images: Array, kernel: Array) -> Array:
    apart = jnp.moveaxis(images, -1, 1).reshape(-1, *images.shape[1:3], 1)
    # One operation on every platform: nothing is learned here, so that the platform's own way to
    # the gradient of a window this wide does not matter, while im2col would be K² operations.
    pads = geometry.pads(images.shape[1:3], kernel.shape, (1, 1), "SAME")
    smoothed = xla_conv(apart, kernel[..., None, None], pads=pads, strides=(1, 1), dilation=(1, 1))
    return jnp.moveaxis(smoothed.reshape(len(images), -1, *images.shape[1:3]), 1, -1)
