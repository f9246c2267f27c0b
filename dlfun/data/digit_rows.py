"""Rows of digits: one to some digits side by side on a canvas, and how they read.

`digit_row` makes one example from a random key and a set of images, and is pure.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key, UInt8

from dlfun.data.dataset import Dataset, Split
from dlfun.data.parallel_text import END
from dlfun.errors import UserError
from dlfun.random import stream

STEP = 20
"""Pixels from a digit's left side to the next one's at least: of 28, so neighbours may touch."""
NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
"""The words for MNIST's classes."""
CHUNK = 500
"""Examples that are drawn at once."""
Images = UInt8[Array, "count height width channels"]


def digit_row(
    key: Key[Array, ""],
    images: Images,
    labels: Int[Array, " count"],
    size: tuple[int, int],
    most: int,
    end: int,
) -> dict[str, Array]:
    """A canvas with one to `most` of the images, and their labels from left to right.

    "image" is uint8 [height, width, channels] of the given size, black where no digit lies; "y" is
    int32 [most + 1], the labels filled up with `end`; "y_length", int32, is the number of digits
    + 1, for the `end` that belongs to the caption. The number of digits is uniform, each is drawn
    anew, and its height on the canvas is uniform. From left to right they are at least `STEP`
    pixels apart, and what the width leaves is divided at random. Where they overlap, the brightest
    pixel is taken.
    """
    _, height, width, channels = images.shape
    which, count_key, left_key, top_key = jax.random.split(key, 4)
    number = jax.random.randint(which, (most,), 0, len(images))
    count = jax.random.randint(count_key, (), 1, most + 1)
    shown = jnp.arange(most) < count
    room = size[1] - width - STEP * (count - 1)
    gaps = jax.random.randint(left_key, (most,), 0, room + 1)
    left = jnp.sort(jnp.where(shown, gaps, size[1])) + STEP * jnp.arange(most)
    top = jax.random.randint(top_key, (most,), 0, size[0] - height + 1)

    def paste(image: Array, top: Array, left: Array) -> Array:
        blank = jnp.zeros((*size, channels), jnp.uint8)
        return jax.lax.dynamic_update_slice(blank, image, (top, left, 0))

    pasted = jax.vmap(paste)(images[number], top, left)
    y = jnp.where(shown, labels[number], end).astype(jnp.int32)
    return {
        "image": jnp.where(shown[:, None, None, None], pasted, 0).max(axis=0),
        "y": jnp.append(y, end),
        "y_length": count.astype(jnp.int32) + 1,
    }


def digit_rows(digits: Dataset, size: tuple[int, int], most: int, train: int, test: int) -> Dataset:
    """Dataset of `train` and of `test` rows, each made of the digits of its own split.

    They are the same for every seed of a training. The classes are the words of a caption, `END`
    the last. Raises UserError where the canvas has no room for `most` digits.
    """
    _, height, width, _ = digits.splits["train"]["image"].shape
    least = (height, width + STEP * (most - 1))
    for name, given, needed in zip(("height", "width"), size, least, strict=True):
        if given < needed:
            raise UserError(f"--{name} must be at least {needed} for {most} digits, not {given}")
    end = len(digits.classes)

    def rows(name: str, count: int) -> Split:
        split = digits.splits[name]
        keys = jax.random.split(stream(0, f"{name} rows"), count)
        columns = _draw(keys, jnp.asarray(split["image"]), split["label"], size, most, end)
        return {column: np.asarray(array) for column, array in columns.items()}

    named = digits.classes == tuple("0123456789")
    words = (*(NAMES if named else digits.classes), END)
    return Dataset("digit rows", {"train": rows("train", train), "test": rows("test", test)}, words)


def captions(split: Split) -> list[np.ndarray]:
    """The labels of the digits of each row."""
    return [y[: n - 1] for y, n in zip(split["y"], split["y_length"], strict=True)]


@partial(jax.jit, static_argnames=("size", "most", "end"))
def _draw(
    keys: Array, images: Array, labels: Array, size: tuple[int, int], most: int, end: int
) -> dict[str, Array]:
    def one(key: Array) -> dict[str, Array]:
        return digit_row(key, images, labels, size, most, end)

    return jax.lax.map(one, keys, batch_size=CHUNK)
