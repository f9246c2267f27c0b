"""Supervised learning by gradient descent: a model, a loss and an optimizer make a Learner."""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import optax
from jaxtyping import Array, Float

from dlfun import metrics
from dlfun.learner import Batch, Key, Learner, average
from dlfun.metrics import Metrics


class SupervisedState(NamedTuple):
    """Parameters and what the optimizer remembers of the steps so far."""

    params: Any
    optimizer: optax.OptState


def supervised(
    model: nn.Module,
    loss: Callable[[Array, Array], Float[Array, " batch"]],
    optimizer: optax.GradientTransformation,
    *,
    inputs: Callable[[Array], Array],
    measure: Callable[..., Metrics] = metrics.classification,
) -> Learner:
    """Learner that minimizes the weighted mean loss Σ wᵢ ℓ(model(xᵢ), yᵢ) / Σ wᵢ of each batch.

    Args:
        model: maps floats `inputs(batch["image"])` to predictions.
        loss: one loss per example from predictions and `batch["label"]`.
        optimizer: gradient transformation.
        inputs: from stored images (uint8) to what the model reads, inside the compiled step.
        measure: metrics from predictions, labels and weights, beside the loss.
    """

    def predict(params: Any, batch: Batch, rngs: dict[str, Key]) -> Any:
        return model.apply({"params": params}, inputs(batch["image"]), rngs=rngs)

    def init(key: Key, batch: Batch) -> SupervisedState:
        params = model.init(key, inputs(batch["image"]))["params"]
        return SupervisedState(params, optimizer.init(params))

    def update(state: SupervisedState, batch: Batch, key: Key) -> tuple[SupervisedState, Metrics]:
        weight = batch["weight"]
        count = average(weight.sum())

        def objective(params: Any) -> tuple[Array, tuple[Array, Array]]:
            prediction = predict(params, batch, {"dropout": key})
            losses = loss(prediction, batch["label"])
            return (losses * weight).sum() / count, (losses, prediction)

        (_, (losses, prediction)), gradient = jax.value_and_grad(objective, has_aux=True)(
            state.params
        )
        step, memory = optimizer.update(average(gradient), state.optimizer, state.params)
        params = optax.apply_updates(state.params, step)
        measured = {
            "loss": metrics.mean(losses, weight),
            "accuracy": metrics.top_k(prediction, batch["label"], weight),
        }
        return SupervisedState(params, memory), measured

    def evaluate(state: SupervisedState, batch: Batch, key: Key) -> Metrics:
        prediction = predict(state.params, batch, {})
        losses = loss(prediction, batch["label"])
        measured = measure(prediction, batch["label"], batch["weight"])
        return {"loss": metrics.mean(losses, batch["weight"])} | measured

    return Learner(init, update, evaluate)
