"""Augmentation: random changes of images that preserve the label, inside the compiled step.

An augmentation is a pure function of a key and one image, whose dtype it keeps. `vmap` over keys
and images augments a batch with independent draws; `dlfun.transforms.augmented` does so for the
batches of a learner. Sizes in pixels are structure; probabilities are values and may be traced.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Key, Shaped

Image = Shaped[Array, "height width channels"]
Changed = Shaped[Array, "new_height new_width channels"]
Augmentation = Callable[[Key[Array, ""], Image], Changed]


def compose(*steps: Augmentation) -> Augmentation:
    """Apply augmentations one after another, each with a separate key; the identity for none."""

    def apply(key: Key[Array, ""], image: Image) -> Changed:
        for number, step in enumerate(steps):
            image = step(jax.random.fold_in(key, number), image)
        return image

    return apply


def crop(padding: int, size: Sequence[int] | None = None) -> Augmentation:
    """Crop a window, uniformly placed, from the image padded with `padding` zeros on each side.

    `size` is the window's [height, width], by default the image's, as for CIFAR-10 (4 zeros; He et
    al., 2016, sec. 4.2).

    Raises:
        ValueError: a negative padding; a window larger than the padded image.
    """
    _at_least_0("crop", padding=padding)

    def apply(key: Key[Array, ""], image: Image) -> Changed:
        window = tuple(image.shape[:2] if size is None else size)
        around = [(padding, padding), (padding, padding), (0, 0)]
        padded = jnp.pad(image, around)
        room = [have - want for have, want in zip(padded.shape[:2], window, strict=True)]
        if min(room) < 0:
            raise ValueError(f"crop: a window of {window} from an image of {padded.shape[:2]}")
        top, left = jax.random.randint(key, (2,), 0, jnp.array(room, jnp.int32) + 1)
        return jax.lax.dynamic_slice(
            padded, (top, left, jnp.zeros_like(top)), (*window, image.shape[2])
        )

    return apply


def shift(pixels: int) -> Augmentation:
    """Shift the image down and right by whole pixels, each uniform in ±`pixels`, filled with zeros.

    This is `crop` with that padding and the size of the image.

    Raises:
        ValueError: a negative number of pixels.
    """
    _at_least_0("shift", pixels=pixels)
    return crop(pixels)


def flip(probability: float | Array = 0.5) -> Augmentation:
    """Mirror the image left to right with a probability (not for digits, whose label changes)."""

    def apply(key: Key[Array, ""], image: Image) -> Changed:
        return jnp.where(jax.random.bernoulli(key, probability), image[:, ::-1], image)

    return apply


def cut_out(size: int, probability: float | Array = 1.0, fill: float | Array = 0.0) -> Augmentation:
    """Set a square of `size`² pixels to `fill`, with a probability (DeVries & Taylor, 2017).

    The centre is uniform over the pixels of the image, so at a border part of the square lies
    outside. The paper fills with 0 after normalization, which is the mean of the stored pixels.

    Raises:
        ValueError: a negative size.
    """
    _at_least_0("cut-out", size=size)

    def apply(key: Key[Array, ""], image: Image) -> Changed:
        chance_key, centre_key = jax.random.split(key)
        limits = jnp.array(image.shape[:2], jnp.int32)
        first = jax.random.randint(centre_key, (2,), 0, limits) - size // 2
        rows, columns = (
            (jnp.arange(n) >= start) & (jnp.arange(n) < start + size)
            for n, start in zip(image.shape[:2], first, strict=True)
        )
        cut = rows[:, None] & columns & jax.random.bernoulli(chance_key, probability)
        return jnp.where(cut[..., None], jnp.asarray(fill, image.dtype), image)

    return apply


def _at_least_0(what: str, **sizes: int) -> None:
    for name, value in sizes.items():
        if value < 0:
            raise ValueError(f"{what}: {name} is at least 0, not {value}")
