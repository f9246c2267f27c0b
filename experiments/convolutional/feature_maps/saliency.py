"""Gradient saliency: the pixels that a classifier's score depends on (Simonyan et al., 2014)."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from dlfun import metrics
from dlfun.learner import Batch, Key, Learner, State
from dlfun.metrics import Metrics
from dlfun.nn.layers.pooling import max_pool


def saliency(
    model: nn.Module,
    variables: Any,
    x: Float[Array, "batch height width channels"],
    label: Int[Array, " batch"],
) -> Float[Array, "batch height width"]:
    """|∂ logit_c / ∂x|, c the label, its largest over the channels of each pixel.

    The logit is taken, for the probability also rises where another class's logit falls.
    """

    def score(x: Array) -> Array:
        logits: Any = model.apply(variables, x)
        return jnp.take_along_axis(logits, label[:, None], axis=1).sum()

    # No example's logit depends on another's image: the gradient of the sum is that of each.
    return jnp.abs(jax.grad(score)(x)).max(axis=-1)


def near_ink(
    pixels: Float[Array, "batch height width channels"], margin: int = 1
) -> Float[Array, "batch height width"]:
    """1 where a pixel above half of white lies within `margin` pixels, sideways or diagonally."""
    ink = (pixels.max(axis=-1, keepdims=True) > 0.5).astype(pixels.dtype)
    return max_pool(ink, 2 * margin + 1, 1, "SAME")[..., 0]


def with_saliency(
    learner: Learner, model: nn.Module, inputs: Callable[[Array], Array], unit: Callable
) -> Learner:
    """Learner whose evaluation also measures how much of the true class's saliency is at the ink.

    - saliency_near_ink: the mean share of an image's saliency that lies within a pixel of its ink;
    - near_ink: the mean share of pixels that do, which is the share that chance would have;
    - localized: the share of images in which the first of these is the larger.

    `inputs` turns stored images into what the model reads, `unit` into pixels of 0 to 1.
    """

    def evaluate(state: State, batch: Batch, key: Key) -> Metrics:
        image, weight = batch["image"], batch["weight"]
        mass = saliency(model, state.variables, inputs(image), batch["label"])
        mask = near_ink(unit(image))
        # An image that the class does not depend on at all has no saliency anywhere.
        share = (mass * mask).sum((1, 2)) / jnp.maximum(mass.sum((1, 2)), 1e-30)
        area = mask.mean((1, 2))
        return learner.evaluate(state, batch, key) | {
            "saliency_near_ink": metrics.mean(share, weight),
            "near_ink": metrics.mean(area, weight),
            "localized": metrics.mean((share > area).astype(weight.dtype), weight),
        }

    return learner._replace(evaluate=evaluate)
