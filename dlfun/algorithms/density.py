"""Autoregressive models of binary images: each pixel given those before it, exactly."""

from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, UInt8

from dlfun import metrics
from dlfun.algorithms.minimize import LossAndMetrics, minimize
from dlfun.data.images import pixels
from dlfun.learner import Batch, Key, Learner
from dlfun.nn.losses import binary_cross_entropy
from dlfun.nn.models.autoregressive import draw_pixel

Logits = Callable[[Float[Array, "batch pixels"]], Float[Array, "batch pixels"]]


def density(model: nn.Module, optimizer: optax.GradientTransformation) -> Learner:
    """Learner that minimizes −log p(x) = −Σ_i log p(x_i | x_<i) of binary images, in nats.

    The model's logit of pixel i, in the order of rows, may depend on the pixels before i alone;
    then the loss is exact and no bound. Predictions are p(x_i = 1 | x_<i), [batch, pixels].
    """

    def init(key: Key, batch: Batch) -> Mapping[str, Any]:
        return model.init(key, pixels(batch["image"]))

    def objective(
        variables: Mapping[str, Any], batch: Batch, key: Key, training: bool
    ) -> LossAndMetrics:
        x = pixels(batch["image"])
        logits: Any = model.apply(variables, x)
        return LossAndMetrics(metrics.mean(binary_cross_entropy(logits, x), batch["weight"]))

    def predict(variables: Mapping[str, Any], batch: Batch) -> Float[Array, "batch pixels"]:
        logits: Any = model.apply(variables, pixels(batch["image"]))
        return jax.nn.sigmoid(logits)

    return minimize(init, objective, optimizer, predict)


def draw(
    logits: Logits, x: Float[Array, "batch pixels"], key: Key, first: int = 0
) -> Float[Array, "batch pixels"]:
    """x with the pixels from `first` on drawn in turn, each given all before it.

    The plain way: all logits are computed for each pixel, and one of them is used.
    """

    def step(x: Array, pixel: Array) -> tuple[Array, None]:
        logit = jax.lax.dynamic_index_in_dim(logits(x), pixel, axis=1, keepdims=False)
        return x.at[:, pixel].set(draw_pixel(key, pixel, logit)), None

    return jax.lax.scan(step, x, jnp.arange(first, x.shape[1]))[0]


def independent_pixels(
    train: UInt8[np.ndarray, "n height width 1"], test: UInt8[np.ndarray, "m height width 1"]
) -> float:
    """−log p of binary test images, nats, under pixels independent of each other.

    Pixel i is on with probability (Σ grey/255 + 1) / (n + 2) of the n training images: never 0.
    """
    share = (train.reshape(len(train), -1).sum(axis=0) / 255 + 1) / (len(train) + 2)
    on = test.reshape(len(test), -1) / 255
    return float(-(on * np.log(share) + (1 - on) * np.log1p(-share)).sum(axis=1).mean())
