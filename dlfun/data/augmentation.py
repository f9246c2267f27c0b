"""Augmentation: random changes of an image that leave its label, inside the compiled step.

Each is a pure function of a key and one image, of any dtype, which stays. `vmap` over keys and
images augments a batch, every example by its own draw; `dlfun.transforms.augmented` does so
to what a learner is trained on. Sizes in pixels are structure, probabilities are values and may be
traced.
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
    """One after another, each by a key of its own; of none, the identity."""

    def apply(key: Key[Array, ""], image: Image) -> Changed:
        for number, step in enumerate(steps):
            image = step(jax.random.fold_in(key, number), image)
        return image

    return apply


def crop(padding: int, size: Sequence[int] | None = None) -> Augmentation:
    """A window of the image with `padding` zeros on each side, every place as likely.

    `size` is the window's [height, width]: by default the image's own, as for CIFAR-10 (4 zeros; He
    et al., 2016, sec. 4.2).

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
    """The image moved by whole numbers of pixels down and right, each uniform in ±`pixels`.

    Zeros enter. It is a crop of the image's own size after a padding of so many zeros.

    Raises:
        ValueError: a negative number of pixels.
    """
    _at_least_0("shift", pixels=pixels)
    return crop(pixels)


def flip(probability: float | Array = 0.5) -> Augmentation:
    """The image mirrored left to right, with a probability (not for digits, which change)."""

    def apply(key: Key[Array, ""], image: Image) -> Changed:
        return jnp.where(jax.random.bernoulli(key, probability), image[:, ::-1], image)

    return apply


def cut_out(size: int, probability: float | Array = 1.0, fill: float | Array = 0.0) -> Augmentation:
    """A square of `size`² pixels set to `fill`, with a probability (DeVries & Taylor, 2017).

    Its centre is any pixel of the image, so at a border only part of the square lies within. The
    paper's fill is 0 after normalization: the mean of the images, which on stored pixels has to be
    given.

    Raises:
        ValueError: a negative size.
    """
    _at_least_0("cut-out", size=size)

    def apply(key: Key[Array, ""], image: Image) -> Changed:
        chance, place = jax.random.split(key)
        limits = jnp.array(image.shape[:2], jnp.int32)
        first = jax.random.randint(place, (2,), 0, limits) - size // 2
        rows, columns = (
            (jnp.arange(n) >= start) & (jnp.arange(n) < start + size)
            for n, start in zip(image.shape[:2], first, strict=True)
        )
        cut = rows[:, None] & columns & jax.random.bernoulli(chance, probability)
        return jnp.where(cut[..., None], jnp.asarray(fill, image.dtype), image)

    return apply


def _at_least_0(what: str, **sizes: int) -> None:
    for name, value in sizes.items():
        if value < 0:
            raise ValueError(f"{what}: {name} is at least 0, not {value}")
