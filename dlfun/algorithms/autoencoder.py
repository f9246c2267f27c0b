"""Autoencoders: a network is trained to give back its input through a code of few numbers."""

from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from dlfun import metrics
from dlfun.algorithms.minimize import LossAndMetrics, minimize
from dlfun.data.dataset import Dataset
from dlfun.data.images import pixels
from dlfun.experiment import Trained
from dlfun.learner import Batch, Key, Learner, metrics_of_all


def squared_error(
    prediction: Float[Array, "batch *features"], target: Float[Array, "batch *features"]
) -> Float[Array, " batch"]:
    """Σ (prediction − target)² over the features of each example."""
    return jnp.square(prediction - target).reshape(len(target), -1).sum(axis=1)


def autoencoder(
    model: nn.Module,
    optimizer: optax.GradientTransformation,
    *,
    loss: Callable[[Array, Array], Float[Array, " batch"]] = squared_error,
    output: Callable[[Array], Array] = lambda x: x,
    corrupt: Callable[[Key, Array], Array] = lambda key, x: x,
) -> Learner:
    """Learner that minimizes the mean of loss(model(corrupt(x)), x) over images x.

    x are the pixels of batch["image"] as rows of numbers in [0, 1]. With noise in `corrupt` it is a
    denoising autoencoder (Vincent et al. 2008), in evaluation too. "squared_error" is
    Σ (output(model(corrupt(x))) − x)², mean over images. `predict` reconstructs images as they are.

    Args:
        model: from rows of pixels to the decoder's output.
        optimizer: gradient transformation.
        loss: one loss for each image, from the decoder's output and x.
        output: from the decoder's output to pixels; with the cross entropy of logits, the sigmoid.
        corrupt: noise on x. Where a batch may be split over devices, it comes from `batch_noise`.
    """

    def init(key: Key, batch: Batch) -> Mapping[str, Any]:
        return model.init(key, pixels(batch["image"]))

    def objective(
        variables: Mapping[str, Any], batch: Batch, key: Key, training: bool
    ) -> LossAndMetrics:
        x, weight = pixels(batch["image"]), batch["weight"]
        decoded: Any = model.apply(variables, corrupt(key, x))
        error = metrics.mean(squared_error(output(decoded), x), weight)
        return LossAndMetrics(metrics.mean(loss(decoded, x), weight), {"squared_error": error})

    def predict(variables: Mapping[str, Any], batch: Batch) -> Float[Array, "batch pixels"]:
        decoded: Any = model.apply(variables, pixels(batch["image"]))
        return output(decoded)

    return minimize(init, objective, optimizer, predict)


def test_metrics(trained: Trained, key: Key) -> dict[str, float]:
    """The learner's metrics on the whole test split."""
    return metrics_of_all(trained.learner, trained.state, trained.dataset.splits["test"], key)


def rows(dataset: Dataset, split: str) -> Float[np.ndarray, "n pixels"]:
    """The images of a split as rows of pixels in [0, 1], on the host."""
    return np.asarray(pixels(jnp.asarray(dataset.splits[split]["image"])))
