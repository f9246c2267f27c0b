"""Image files of any size and format, as a trained classifier reads images."""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image, ImageOps

from dlfun.data.image_decoding import eight_bits, on_white, opened

MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


def read_image(file: Path) -> Image.Image:
    """A decoded image, upright, of mode L, LA, RGB or RGBA. Raises UserError naming the file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with opened(str(file)) as image:
            return eight_bits(ImageOps.exif_transpose(image))


def fit(
    file: Path, image: Image.Image, shape: tuple[int, ...], note: Callable[[str], None]
) -> UInt8[np.ndarray, "height width channels"]:
    """The pixels of an image in a size and number of channels; `note` is called if it is resized.

    Transparent parts become white where `shape` has no channel of opacity.
    """
    height, width, channels = shape
    mode = MODES[channels]
    if "A" in image.mode and "A" not in mode:
        image = on_white(image)
    image = image.convert(mode)
    if image.size != (width, height):
        size = "x".join(map(str, image.size))
        image = image.resize((width, height), Image.Resampling.BILINEAR)
        note(f"{file}: resized from {size} to {width}x{height}")
    return np.asarray(image).reshape(shape)


def read_fitted(
    items: Sequence[str], shape: tuple[int, ...]
) -> UInt8[np.ndarray, "n height width channels"]:
    """The pixels of image files, by their paths, in one size. Raises UserError naming a file."""
    files = [Path(item).expanduser() for item in items]
    return np.stack([fit(file, read_image(file), shape, lambda _: None) for file in files])


def has_light_border(
    images: UInt8[np.ndarray, "n height width channels"],
) -> Bool[np.ndarray, " n"]:
    """True if the outermost pixels are on average lighter than the middle half of the image."""
    light = images.mean(axis=3)
    _, h, w = light.shape
    middle = light[:, h // 4 : h - h // 4, w // 4 : w - w // 4].mean(axis=(1, 2))
    border = np.concatenate(
        [light[:, 0], light[:, -1], light[:, 1:-1, 0], light[:, 1:-1, -1]], axis=1
    )
    return border.mean(axis=1) > middle
