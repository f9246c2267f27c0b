"""Two networks beside a generator: one judges its samples, one is compared with it."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dlfun import metrics
from dlfun.algorithms.frechet_distance import frechet_distance
from dlfun.algorithms.supervised import supervised
from dlfun.algorithms.variational_autoencoder import variational_autoencoder
from dlfun.data.dataset import Dataset
from dlfun.data.images import normalize, pixels
from dlfun.learner import Learner
from dlfun.nn.losses import cross_entropy
from dlfun.nn.models.cnn import CNN
from dlfun.nn.models.variational import VariationalAutoencoder
from dlfun.optimizers import Optimizer, make_optimizer

CHANNELS, FEATURES = (16, 32), 128
NORMALIZE = normalize(0.1307, 0.3081)
AT_ONCE = 500
"""Images that are drawn or read at once."""
LEAST = 0.02
"""Share of the samples from which on a class counts as covered: a fifth of one of ten classes."""

Rows = Float[np.ndarray, "count pixels"]
Features = Float[np.ndarray, "count features"]
Half = Float[np.ndarray, "half features"]


def classifier(dataset: Dataset) -> Learner:
    """T3's network (sec. 3.2.3) of half the channels, under cross entropy and Adam at 1e-3."""
    return supervised(
        CNN(CHANNELS, (FEATURES,), len(dataset.classes)),
        cross_entropy,
        make_optimizer(Optimizer()),
        inputs=NORMALIZE,
        eval_metrics=metrics.accuracy,
    )


def autoencoder(dataset: Dataset) -> Learner:
    """mnist_vae's network, on grey values, of which the loss is the mean over binary draws."""
    return variational_autoencoder(vae_network(dataset), make_optimizer(Optimizer()))


def vae_network(dataset: Dataset) -> VariationalAutoencoder:
    """784-500-20-500-784."""
    return VariationalAutoencoder(dataset.splits["train"]["image"][0].size, (500,), 20)


def features(dataset: Dataset, variables: Mapping[str, Any], x: Rows) -> Features:
    """The outputs of the classifier's hidden layer for images of 0 to 1, as 8 bits keep them."""
    shape = dataset.splits["train"]["image"].shape[1:]
    return in_chunks(partial(_hidden, shape, variables), x)


@partial(jax.jit, static_argnums=0)
def _hidden(shape: tuple[int, ...], variables: Any, x: Array) -> Array:
    image = jnp.round(255 * x).astype(jnp.uint8).reshape(-1, *shape)
    # The same network without its last layer, whose parameters are not read then.
    output: Any = CNN(CHANNELS, (), FEATURES).apply(variables, NORMALIZE(image))
    return nn.relu(output)


def classes_read(variables: Mapping[str, Any], seen: Features) -> np.ndarray:
    """The class that the classifier reads from its features, for each image."""
    last = variables["params"]["Dense_1"]
    return np.asarray(seen @ last["kernel"] + last["bias"]).argmax(axis=1)


def covered(read: np.ndarray, classes: int) -> int:
    """The number of classes that are read in a share of `LEAST` of the samples, or in more."""
    return int((np.bincount(read, minlength=classes) >= LEAST * len(read)).sum())


def halves_of_test(dataset: Dataset, variables: Mapping[str, Any], most: int) -> tuple[Half, Half]:
    """Features of every other test image, and of those between, `most` at most of each."""
    images = dataset.splits["test"]["image"]
    one, other = (
        features(dataset, variables, np.asarray(pixels(jnp.asarray(images[k::2][:most]))))
        for k in (0, 1)
    )
    return one, other


def distance_ratio(seen: Features, halves: tuple[Half, Half]) -> float:
    """Fréchet distance of samples to the first half, over that of the other half to the first.

    1 for samples like the test images, as many as are in a half.
    """
    return frechet_distance(seen, halves[0]) / frechet_distance(halves[1], halves[0])


def in_chunks(function: Callable[..., Any], *arrays: Any) -> np.ndarray:
    """The results of a function of rows, computed for `AT_ONCE` of them at once."""
    count = len(arrays[0])
    parts = [
        np.asarray(function(*(array[at : at + AT_ONCE] for array in arrays)))
        for at in range(0, count, AT_ONCE)
    ]
    return np.concatenate(parts)
