"""Supervised learning by gradient descent: a model, a loss and an optimizer make a learner."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import optax
from jaxtyping import Array, Float

from dlfun import metrics
from dlfun.algorithms.minimize import LossAndMetrics, minimize
from dlfun.learner import Batch, Key, Learner
from dlfun.metrics import Metrics
from dlfun.nn.losses import Heads


def supervised(
    model: nn.Module,
    loss: Callable[[Array, Array], Float[Array, " batch"]],
    optimizer: optax.GradientTransformation,
    *,
    inputs: Callable[[Array], Array] = lambda x: x,
    eval_metrics: Callable[..., Metrics] = metrics.classification,
    train_metrics: Callable[..., Metrics] = metrics.accuracy,
    columns: tuple[str, str] = ("image", "label"),
) -> Learner:
    """Learner that minimizes the weighted mean loss Σ wᵢ ℓ(model(xᵢ), yᵢ) / Σ wᵢ of each batch.

    Args:
        model: maps floats `inputs(batch["image"])` to predictions. Where its call has an argument
            `training`, that is w while training and None in evaluation. While training it may
            return `Heads`, whose auxiliary losses are minimized too.
        loss: one loss per example from predictions and `batch["label"]`.
        optimizer: gradient transformation.
        inputs: from stored images (uint8) to what the model reads, inside the compiled step.
        eval_metrics: metrics from predictions, labels and weights, beside the loss, in evaluation.
        train_metrics: the same, while training.
        columns: the names of x and y in a batch.
    """
    image, target = columns
    differs_in_training = "training" in inspect.signature(model.__call__).parameters

    def init(key: Key, batch: Batch) -> Mapping[str, Any]:
        return model.init(key, inputs(batch[image]))

    def predict(variables: Mapping[str, Any], batch: Batch) -> Any:
        return model.apply(variables, inputs(batch[image]))

    def objective(
        variables: Mapping[str, Any], batch: Batch, key: Key, training: bool
    ) -> LossAndMetrics:
        weight, label = batch["weight"], batch[target]
        if not training:
            prediction = predict(variables, batch)
            value = metrics.mean(loss(prediction, label), weight)
            return LossAndMetrics(value, eval_metrics(prediction, label, weight))
        mode: dict[str, Any] = {"training": weight} if differs_in_training else {}
        prediction, updated = model.apply(
            variables, inputs(batch[image]), rngs={"dropout": key}, mutable=["batch_stats"], **mode
        )
        heads = prediction if isinstance(prediction, Heads) else Heads(prediction, ())
        losses = loss(heads.main, label)
        everything = losses + sum(heads.weight * loss(head, label) for head in heads.auxiliary)
        measured = {"loss": metrics.mean(losses, weight)}
        measured |= train_metrics(heads.main, label, weight)
        return LossAndMetrics(metrics.mean(everything, weight), measured, updated)

    return minimize(init, objective, optimizer, predict)
