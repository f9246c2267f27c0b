"""Pixels as numbers: normalized inside the compiled step, as probabilities, drawn to be 0 or 1."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped, UInt8

from dlfun.data.dataset import Dataset
from dlfun.data.encoded_images import is_encoded
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


def pixels(
    images: Shaped[Array, "batch *shape"], scale: float = 255.0
) -> Float[Array, "batch pixels"]:
    """Images as rows of numbers, divided by `scale`, which `unit_scale` finds."""
    return images.reshape(len(images), -1).astype(jnp.float32) / scale


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


def share_on(
    images: Shaped[np.ndarray, "batch *shape"], scale: float = 255.0
) -> Float[np.ndarray, " pixels"]:
    """The share p of images in which a pixel is on: its mean, at least 1 % and at most 99 %."""
    return np.clip(images.mean(axis=0).ravel() / scale, 0.01, 0.99).astype(np.float32)


def log_odds(
    images: Shaped[np.ndarray, "batch *shape"], scale: float = 255.0
) -> Float[np.ndarray, " pixels"]:
    """log p/(1 − p) of the share p of `share_on`."""
    share = share_on(images, scale)
    return np.log(share / (1 - share))


def as_images(rows: Float[np.ndarray, "count pixels"], shape: tuple[int, ...]) -> Iterator["Image"]:
    """Rows of numbers in [0, 1] as images; what lies outside is cut off.

    `shape` is (height, width) or (height, width, channels): with one channel images are grey, with
    three in colour.
    """
    from PIL import Image

    for row in rows:
        image = (255 * row.clip(0, 1)).astype(np.uint8).reshape(shape)
        yield Image.fromarray(image[..., 0] if image.shape[2:] == (1,) else image)


def check_grey(dataset: Dataset) -> None:
    """Raise UserError where images have several channels, or are not arrays (see `decoded`)."""
    channels = decoded(dataset).splits["train"]["image"].shape[-1]
    if channels > 1:
        raise UserError(f"{dataset.name}: expected grey images, got {channels} channels")


def decoded(dataset: Dataset) -> Dataset:
    """The dataset, whose images are arrays.

    Raises UserError where they stay encoded until they are read, as statistics of all pixels cannot
    be computed then.
    """
    if is_encoded(dataset):
        raise UserError(
            f"{dataset.name}: expected images that are arrays, got files that are decoded when they"
            " are read; put the images, in one small size, into arrays:FILE.npz"
        )
    return dataset


def binarized(dataset: Dataset) -> Dataset:
    """The dataset with the images of all splits but "train" drawn once: 255 or 0.

    The draws depend on the split's size alone; those for training are best new in each update.
    """
    splits = dict(dataset.splits)
    for name in splits.keys() - {"train"}:
        image = splits[name]["image"]
        # NumPy promises these draws for all its versions.
        raw = np.random.Philox(key=0).random_raw(image.size).reshape(image.shape)
        on = (raw >> np.uint64(40)) * 255 < image.astype(np.uint64) * 2**24
        splits[name] = splits[name] | {"image": on.astype(np.uint8) * np.uint8(255)}
    return dataset._replace(splits=splits)
