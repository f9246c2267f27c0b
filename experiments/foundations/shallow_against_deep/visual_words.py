"""Bags of visual words: a vocabulary of descriptors, and counts of the words by region."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt8

from dlfun.data.dataset import Dataset
from dlfun.train.trajectory import trajectory

from .descriptors import describe
from .k_means import k_means, squared_distances

SAMPLE, CHUNK = 50_000, 500
LEVELS = (1, 2, 4)


def with_words(dataset: Dataset, size: int, seed: int) -> Dataset:
    """The dataset with a column "words": each image's pyramid, uint8 [21 · size].

    The vocabulary is learned from the training images alone.
    """
    words = vocabulary(dataset.splits["train"]["image"], size, seed)
    splits = {
        name: {**split, "words": pyramids(split["image"], words)}
        for name, split in dataset.splits.items()
    }
    return dataset._replace(splits=splits)


def vocabulary(images: UInt8[np.ndarray, "n *shape"], size: int, seed: int) -> Array:
    """Words [size, 32]: the centres of descriptors of the images by k-means.

    The centres start at random descriptors and learn from a random 50,000 of those of at most 2,000
    images. Flat patches, which are frequent, all get the word 0.
    """
    rng = np.random.default_rng(seed)
    chosen = images[rng.permutation(len(images))[:2000]]
    descriptors = np.asarray(jax.jit(describe)(jnp.asarray(chosen))).reshape(-1, 32)
    descriptors = descriptors[descriptors.any(axis=1)]
    sample = descriptors[rng.permutation(len(descriptors))[:SAMPLE]]
    start = jnp.asarray(sample[: size - 1])
    dataset = Dataset("descriptors", {"train": {"x": sample}})
    states, _ = trajectory(k_means(start), dataset, epochs=5, batch_size=1000, seed=seed)
    centres = states.centres[-1]
    return jnp.concatenate([jnp.zeros((1, 32), centres.dtype), centres])


def pyramids(images: UInt8[np.ndarray, "n *shape"], words: Array) -> UInt8[np.ndarray, "n f"]:
    """The pyramids of images, CHUNK of them at a time."""
    chunks = (images[i : i + CHUNK] for i in range(0, len(images), CHUNK))
    return np.concatenate([np.asarray(_of_images(jnp.asarray(c), words)) for c in chunks])


@jax.jit
def _of_images(images: Array, words: Array) -> Array:
    return pyramid(squared_distances(describe(images), words).argmin(-1), len(words))


@partial(jax.jit, static_argnums=1)
def pyramid(word: Int[Array, "batch rows columns"], size: int) -> UInt8[Array, "batch features"]:
    """Spatial pyramid: counts of each of `size` words in the whole, in quarters, in sixteenths.

    A histogram for each of the 1 + 4 + 16 regions (Lazebnik, Schmid & Ponce, 2006), of no more than
    255 patches.
    """
    one_hot = jax.nn.one_hot(word, size)
    rows, columns = (jnp.arange(n) for n in word.shape[1:])

    def level(cuts: int) -> Float[Array, "batch features"]:
        down = jax.nn.one_hot(rows * cuts // len(rows), cuts)
        right = jax.nn.one_hot(columns * cuts // len(columns), cuts)
        return jnp.einsum("nrck,ra,cb->nabk", one_hot, down, right).reshape(len(word), -1)

    counts = jnp.concatenate([level(cuts) for cuts in LEVELS], axis=1)
    return jnp.round(counts).astype(jnp.uint8)
