"""Normalization of pixels inside the compiled step, so that images are stored as uint8."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped, UInt8

from dlfun.errors import UserError

if TYPE_CHECKING:
    from PIL.Image import Image


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


def unit_scale(images: Shaped[np.ndarray, "batch *shape"], name: str, scale: bool) -> float:
    """The number that images are divided by to be the probabilities of binary units: 255 or 1.

    Values in [0, 1] stay as they are. Raises UserError on others, unless `scale` asks to scale
    pixels of 0 to 255.
    """
    least, most = float(images.min()), float(images.max())
    if least >= 0 and most <= 1:
        return 1.0
    if scale and least >= 0 and most <= 255:
        return 255.0
    remedy = "0 to 255, of which --scale makes that" if not scale else "0 to 255"
    raise UserError(
        f"{name}: binary units need values of 0 to 1, or {remedy}; got {least:g} to {most:g}"
    )


def log_odds(
    images: Shaped[np.ndarray, "batch *shape"], scale: float
) -> Float[np.ndarray, " pixels"]:
    """log p/(1 − p) of the share p of images in which a pixel is on, at least 1 %, at most 99 %."""
    share = np.clip(images.mean(axis=0).ravel() / scale, 0.01, 0.99)
    return np.log(share / (1 - share)).astype(np.float32)


def as_images(rows: Float[np.ndarray, "count pixels"], shape: tuple[int, int]) -> Iterator["Image"]:
    """Rows of numbers in [0, 1] as grey images; what lies outside is cut off."""
    from PIL import Image

    for row in rows:
        yield Image.fromarray(np.uint8(255 * row.clip(0, 1).reshape(shape)))
