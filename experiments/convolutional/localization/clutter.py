"""Canvases with a digit at a random place among fragments of others, and the digit's box.

A box is [top, left, bottom, right] in pixels: the rows from top up to bottom, which is outside, and
the columns likewise.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt8

from dlfun.data.dataset import Dataset
from dlfun.errors import UserError
from dlfun.learner import Key
from dlfun.random import stream

FRAGMENT = 8
"""Height and width of a fragment."""
POOL = 1000
"""Training images that fragments are cut from."""
CHUNK = 500
"""Canvases that are drawn at once for a test set."""
Image = UInt8[Array, "height width channels"]
Boxes = Float[np.ndarray, "n 4"]


def extent(image: Image) -> Float[Array, "4"]:
    """The smallest box that holds all pixels above 0, of which there is at least one."""
    ink = (image > 0).any(axis=2)

    def ends(line: Array) -> tuple[Array, Array]:
        return jnp.argmax(line), len(line) - jnp.argmax(line[::-1])

    (top, bottom), (left, right) = ends(ink.any(axis=1)), ends(ink.any(axis=0))
    return jnp.stack([top, left, bottom, right]).astype(jnp.float32)


def bright_boxes(images: UInt8[np.ndarray, "n height width channels"]) -> Boxes:
    """The extent of all that is bright in each image, which without clutter is the digit's box."""
    return np.asarray(jax.vmap(extent)(jnp.asarray(images)))


def cluttered(
    key: Key,
    digit: Image,
    others: UInt8[Array, "count height width channels"],
    size: int,
    fragments: int,
) -> dict[str, Array]:
    """A digit and fragments of others on a black canvas of `size`² pixels, at random places.

    A fragment is a window of 8×8 pixels of one of the `others`, as in cluttered MNIST (Mnih et al.
    2014). Where they overlap, the brightest pixel is taken: a fragment may lie over the digit and
    touch its outline, but never darkens its ink. "box" is the extent of the digit's ink alone.
    """
    height, width, channels = digit.shape
    canvas = (size, size, channels)
    window = (min(FRAGMENT, height), min(FRAGMENT, width), channels)
    which, cut_at, put_at, digit_at = jax.random.split(key, 4)

    def cut(image: Array, corner: Array) -> Array:
        return jax.lax.dynamic_slice(image, tuple(corner), window)

    def paste(image: Array, corner: Array) -> Array:
        return jax.lax.dynamic_update_slice(jnp.zeros(canvas, jnp.uint8), image, tuple(corner))

    images = others[jax.random.randint(which, (fragments,), 0, len(others))]
    pieces = jax.vmap(cut)(images, corners(cut_at, fragments, window, digit.shape))
    clutter = jax.vmap(paste)(pieces, corners(put_at, fragments, window, canvas))
    (corner,) = corners(digit_at, 1, digit.shape, canvas)
    return {
        "image": jnp.maximum(clutter.max(axis=0, initial=0), paste(digit, corner)),
        "box": extent(digit) + jnp.tile(corner[:2], 2).astype(jnp.float32),
    }


def corners(
    key: Key, count: int, window: tuple[int, ...], inside: tuple[int, ...]
) -> Int[Array, "count axes"]:
    """First corners of windows of a shape, uniform over the places inside another shape."""
    room = [b - a + 1 for a, b in zip(window, inside, strict=True)]
    return jax.random.randint(key, (count, len(room)), 0, jnp.array(room, jnp.int32))


def held_out_canvases(dataset: Dataset, size: int, fragments: int) -> Dataset:
    """The dataset with a canvas and a box for each image of all splits but "train".

    They are drawn once, alike for every seed of a training, with fragments of the same split.
    Raises UserError where the canvas is too small, or an image has no ink.
    """
    check(dataset, size)
    splits = dict(dataset.splits)
    for number, name in enumerate(sorted(splits.keys() - {"train"})):
        images = jnp.asarray(splits[name]["image"])
        keys = jax.random.split(jax.random.fold_in(stream(0, "canvases"), number), len(images))
        canvases = _canvases(keys, images, size, fragments)
        splits[name] = splits[name] | {n: np.asarray(array) for n, array in canvases.items()}
    return dataset._replace(splits=splits)


def check(dataset: Dataset, size: int) -> None:
    """Raise UserError where images are larger than the canvas, or one has no ink, so no box."""
    for name, split in dataset.splits.items():
        _, height, width, _ = split["image"].shape
        if size < max(height, width):
            raise UserError(
                f"--canvas must be at least {max(height, width)}, the size of the images of"
                f" {dataset.name}, got {size}"
            )
        empty = np.flatnonzero(~split["image"].any(axis=(1, 2, 3)))
        if len(empty):
            raise UserError(
                f"{dataset.name}: image {empty[0]:,} of split '{name}' is black all over: the box"
                " of its ink has no area"
            )


@partial(jax.jit, static_argnames=("size", "fragments"))
def _canvases(keys: Key, images: Array, size: int, fragments: int) -> dict[str, Array]:
    def one(example: tuple[Key, Image]) -> dict[str, Array]:
        return cluttered(*example, images, size, fragments)

    return jax.lax.map(one, (keys, images), batch_size=CHUNK)
