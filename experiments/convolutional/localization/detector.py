"""Learning a class and a box at once, and how boxes are scored."""

from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from dlfun import metrics
from dlfun.algorithms.minimize import LossAndMetrics, minimize
from dlfun.learner import Batch, Key, Learner
from dlfun.nn.losses import cross_entropy

Boxes = Float[Array, "*batch 4"]


def area(box: Boxes) -> Float[Array, "*batch"]:
    """Height times width; 0 where the bottom is above the top, or the right is left of the left."""
    return jnp.maximum(box[..., 2:] - box[..., :2], 0).prod(axis=-1)


def iou(a: Boxes, b: Boxes) -> Float[Array, "*batch"]:
    """Intersection over union, |a ∩ b| / |a ∪ b|, of two boxes, one of which has an area."""
    upper_left = jnp.maximum(a[..., :2], b[..., :2])
    lower_right = jnp.minimum(a[..., 2:], b[..., 2:])
    intersection = area(jnp.concatenate([upper_left, lower_right], axis=-1))
    return intersection / (area(a) + area(b) - intersection)


def smooth_l1(box: Float[Array, "batch 4"], target: Float[Array, "batch 4"]) -> Array:
    """Σ over the four sides of ½ d² where |d| ≤ 1, else |d| − ½, d in pixels (Girshick 2015)."""
    return optax.huber_loss(box, target, delta=1.0).sum(axis=-1)


def detector(
    model: nn.Module,
    optimizer: optax.GradientTransformation,
    box_weight: float | Array,
    inputs: Callable[[Array], Array],
) -> Learner:
    """Learner that minimizes the mean of cross entropy + `box_weight` · `smooth_l1`.

    `predict` gives "logits" and "box", in pixels. Metrics are "accuracy", "iou", "found" (the share
    of boxes of an IoU of 0.5 or more), and "localized" (the share that is found and whose class is
    right, as in ImageNet's localization task).

    Args:
        model: from images to logits and boxes, these in units of the image's side.
        optimizer: gradient transformation.
        box_weight: factor of the box's loss.
        inputs: from stored images to what the model reads.
    """

    def init(key: Key, batch: Batch) -> Mapping[str, Any]:
        return model.init(key, inputs(batch["image"]))

    def predict(variables: Mapping[str, Any], batch: Batch) -> dict[str, Array]:
        output: Any = model.apply(variables, inputs(batch["image"]))
        logits, box = output
        return {"logits": logits, "box": box * batch["image"].shape[1]}

    def objective(
        variables: Mapping[str, Any], batch: Batch, key: Key, training: bool
    ) -> LossAndMetrics:
        predicted, label, weight = predict(variables, batch), batch["label"], batch["weight"]
        loss = cross_entropy(predicted["logits"], label)
        loss += box_weight * smooth_l1(predicted["box"], batch["box"])
        overlap = iou(predicted["box"], batch["box"])
        box_is_close = overlap >= 0.5
        right = predicted["logits"].argmax(axis=1) == label
        measured = {
            "iou": metrics.mean(overlap, weight),
            "found": metrics.mean(box_is_close.astype(weight.dtype), weight),
            "localized": metrics.mean((box_is_close & right).astype(weight.dtype), weight),
        }
        measured |= metrics.accuracy(predicted["logits"], label, weight)
        return LossAndMetrics(metrics.mean(loss, weight), measured)

    return minimize(init, objective, optimizer, predict)
