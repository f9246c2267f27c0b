"""Normalization of pixels inside the compiled step, so that images are stored as uint8."""

from collections.abc import Callable, Sequence

import jax.numpy as jnp
from jaxtyping import Array, Float, UInt8


def normalize(
    mean: float | Sequence[float] = 0.0, deviation: float | Sequence[float] = 1.0
) -> Callable[[UInt8[Array, "*batch channels"]], Float[Array, "*batch channels"]]:
    """Make a function from pixels in 0…255 to (pixels / 255 - mean) / deviation, float32.

    Mean and deviation refer to pixels in [0, 1]; they are one number, or one for each channel (the
    last axis). The defaults only scale to [0, 1]; MNIST has mean 0.1307 and deviation 0.3081.
    """

    def apply(pixels: UInt8[Array, "*batch channels"]) -> Float[Array, "*batch channels"]:
        unit = pixels.astype(jnp.float32) / 255
        return (unit - jnp.asarray(mean, jnp.float32)) / jnp.asarray(deviation, jnp.float32)

    return apply


def pixels(
    images: UInt8[Array, "batch height width channels"],
) -> Float[Array, "batch pixels"]:
    """Images in 0…255 as rows of numbers in [0, 1]."""
    return normalize()(images).reshape(len(images), -1)
