"""Decoding of an image file to the pixels that a network reads: decoded, upright, cropped.

Only formats that Pillow decodes itself are opened; for others it runs Ghostscript.
"""

import contextlib
import io
import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageOps

from dlfun.errors import UserError

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
MOST_PIXELS = 2**28 // 3
"""Pixels of an image at most, 256 MiB: a small file may describe one that fills the memory."""
AREA, RATIO, TRIES = (0.08, 1.0), (3 / 4, 4 / 3), 10
"""Ranges of a random crop's share of the area and of its width / height; number of tries."""
DRAWS = 2 * TRIES + 3
MARGIN = 0.875
"""Share of the shorter side that a central crop keeps: 224 of 256."""
_ORIENTATION, _SIDEWAYS = 0x0112, (5, 6, 7, 8)
"""EXIF tag of the orientation, and its values that exchange rows and columns."""

File = str | io.BytesIO | np.ndarray
"""Path, bytes or pixels of an image."""


class Crop(NamedTuple):
    """Rectangle of an image in pixels; `mirrored` means left to right."""

    left: float
    top: float
    width: float
    height: float
    mirrored: bool = False


def random_crop(width: int, height: int, draws: Float[np.ndarray, " draws"]) -> Crop:
    """Crop of 8 to 100 % of the area, of aspect 3/4 to 4/3, mirrored with probability ½.

    Szegedy et al. (2015), sec. 6. The area is uniform, the aspect log-uniform, and the position
    uniform where the crop fits. After ten tries that do not fit, it is the largest central crop
    with an aspect in the range. `draws` are `DRAWS` numbers, uniform in [0, 1).
    """
    least, most = np.log(RATIO)
    mirrored = bool(draws[-1] < 0.5)
    for share, aspect in draws[: 2 * TRIES].reshape(TRIES, 2):
        area = (AREA[0] + (AREA[1] - AREA[0]) * share) * width * height
        ratio = math.exp(least + (most - least) * aspect)
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            across, down = draws[-3] * (width - w + 1), draws[-2] * (height - h + 1)
            return Crop(int(across), int(down), w, h, mirrored)
    wide, high = min(width, height * RATIO[1]), min(height, width / RATIO[0])
    return Crop((width - wide) / 2, (height - high) / 2, wide, high, mirrored)


def central_crop(width: int, height: int) -> Crop:
    """Central square with a side of 7/8 of the shorter side.

    Resized to 224, it is the central 224×224 of the image resized to a shorter side of 256.
    """
    side = MARGIN * min(width, height)
    return Crop((width - side) / 2, (height - side) / 2, side, side)


def pixels(
    file: File, size: int, choose: Callable[[int, int], Crop]
) -> UInt8[np.ndarray, "size size 3"]:
    """Crop `choose(width, height)` of an image, resized to size×size.

    Gray becomes equal red, green and blue; transparency becomes white. A JPEG to be shrunk by 2, 4
    or 8 is decoded at that fraction of its size, which is faster. Resizing is bilinear and
    antialiased.

    Raises:
        UserError: an image that cannot be read, with its name.
    """
    with opened(file) as image:
        orientation = image.getexif().get(_ORIENTATION, 1)
        # Pillow gives the size of a TIFF, and of no other, as it is after turning.
        sideways = orientation in _SIDEWAYS and image.format != "TIFF"
        width, height = image.size[::-1] if sideways else image.size
        crop = choose(width, height)
        least = math.ceil(width * size / crop.width), math.ceil(height * size / crop.height)
        image.draft(None, least[::-1] if sideways else least)
        upright = ImageOps.exif_transpose(image) if orientation != 1 else image
        crop_pixels = _resized(rgb(upright), size, crop, width, height)
    return crop_pixels[:, ::-1] if crop.mirrored else crop_pixels


def cropped(image: Image.Image, size: int) -> UInt8[np.ndarray, "size size 3"]:
    """Central crop of a decoded image, resized to size×size as by `pixels`."""
    return _resized(rgb(image), size, central_crop(*image.size), *image.size)


def _resized(image: Image.Image, size: int, crop: Crop, width: int, height: int) -> np.ndarray:
    """Crop and resize an image; `crop` is in pixels of the full size, width×height.

    The image may be decoded at a smaller size.
    """
    x, y = image.width / width, image.height / height
    right = min((crop.left + crop.width) * x, image.width)
    bottom = min((crop.top + crop.height) * y, image.height)
    box = (crop.left * x, crop.top * y, right, bottom)
    bilinear = Image.Resampling.BILINEAR
    return np.asarray(image.resize((size, size), bilinear, box=box, reducing_gap=3.0))


@contextlib.contextmanager
def opened(file: File) -> Iterator[Image.Image]:
    """A context with an open image: its header has been read, its pixels have not.

    Errors of decoding, and more than `MOST_PIXELS`, become a UserError that names the file: its
    path, or the attribute `name` of a stream.
    """
    name = getattr(file, "name", "an image") if isinstance(file, io.BytesIO) else file
    expected = "expected an image file, such as PNG or JPEG"
    try:
        if isinstance(file, np.ndarray):
            yield Image.fromarray(file[..., 0] if file.shape[-1] == 1 else file)
            return
        # Of a path Pillow maps some TIFFs into memory, and turns those wrongly.
        with (
            open(file, "rb") if isinstance(file, str) else contextlib.nullcontext(file) as source,
            Image.open(source, formats=FORMATS) as image,
        ):
            if image.width * image.height > MOST_PIXELS:
                raise Image.DecompressionBombError
            yield image
    except FileNotFoundError:
        raise UserError(f"{name}: no such file; {expected}") from None
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise UserError(f"{name}: too large, expected at most {MOST_PIXELS:,} pixels") from None
    except Image.UnidentifiedImageError:
        raise UserError(f"{name}: not a readable image; {expected}") from None
    except IsADirectoryError:
        raise UserError(f"{name}: a directory; {expected}") from None
    except (OSError, ValueError, SyntaxError, EOFError) as error:  # Decoders of damaged files.
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{name}: cannot be read ({reason}); {expected}") from None


def rgb(image: Image.Image) -> Image.Image:
    """Convert to red, green and blue of 8 bits, with transparency on white."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    image = eight_bits(image)
    return (on_white(image) if "A" in image.mode else image).convert("RGB")


def on_white(image: Image.Image) -> Image.Image:
    """Compose an image with transparency on white."""
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))


def eight_bits(image: Image.Image) -> Image.Image:
    """Convert to mode L, LA, RGB or RGBA. Raises ValueError for other than 8 or 16 bits."""
    if image.mode.startswith("I;16"):
        # Pillow's conversion clips at 255.
        return Image.fromarray((np.asarray(image).astype(np.float32) / 257).round().astype("u1"))
    if image.mode in ("I", "F"):
        raise ValueError(f"its pixels are of mode {image.mode}, expected 8 or 16 bits a channel")
    mode = "L" if image.mode in ("1", "L", "LA", "La") else "RGB"
    return image.convert(mode + ("A" if image.has_transparency_data else ""))
