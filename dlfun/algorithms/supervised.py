"""Supervised learning by gradient descent: a model, a loss and an optimizer make a Learner."""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import optax
from jaxtyping import Array, Float

from dlfun import metrics
from dlfun.learner import Batch, Key, Learner, device_key, mean_over_devices
from dlfun.metrics import Metrics
from dlfun.nn.losses import Heads


class SupervisedState(NamedTuple):
    """Parameters, what the optimizer remembers of the steps so far, and running statistics."""

    params: Any
    optimizer: optax.OptState
    statistics: Any
    """The collection "batch_stats", which training updates and evaluation reads; {} where the
    model has none."""

    @property
    def variables(self) -> dict[str, Any]:
        """The collections that the model's `apply` takes."""
        return {"params": self.params, "batch_stats": self.statistics}


def supervised(
    model: nn.Module,
    loss: Callable[[Array, Array], Float[Array, " batch"]],
    optimizer: optax.GradientTransformation,
    *,
    inputs: Callable[[Array], Array] = lambda x: x,
    measure: Callable[..., Metrics] = metrics.classification,
    watch: Callable[..., Metrics] = metrics.accuracy,
    names: tuple[str, str] = ("image", "label"),
) -> Learner:
    """Learner that minimizes the weighted mean loss Σ wᵢ ℓ(model(xᵢ), yᵢ) / Σ wᵢ of each batch.

    Args:
        model: maps floats `inputs(batch["image"])` to predictions. Where its call has an argument
            `training`, that is w while training and None in evaluation. While training it may
            return `Heads`, whose auxiliary losses are minimized too.
        loss: one loss per example from predictions and `batch["label"]`.
        optimizer: gradient transformation.
        inputs: from stored images (uint8) to what the model reads, inside the compiled step.
        measure: metrics from predictions, labels and weights, beside the loss, in evaluation.
        watch: the same, while training.
        names: what x and y are called in a batch.
    """
    image, target = names
    differs_in_training = "training" in inspect.signature(model.__call__).parameters

    def init(key: Key, batch: Batch) -> SupervisedState:
        variables = model.init(key, inputs(batch[image]))
        params = variables["params"]
        return SupervisedState(params, optimizer.init(params), variables.get("batch_stats", {}))

    def update(state: SupervisedState, batch: Batch, key: Key) -> tuple[SupervisedState, Metrics]:
        weight, label = batch["weight"], batch[target]
        count = mean_over_devices(weight.sum())
        training: dict[str, Any] = {"training": weight} if differs_in_training else {}

        def objective(params: Any) -> tuple[Array, tuple[Array, Array, Any]]:
            prediction, updated = model.apply(
                state._replace(params=params).variables,
                inputs(batch[image]),
                rngs={"dropout": device_key(key)},
                mutable=["batch_stats"],
                **training,
            )
            heads = prediction if isinstance(prediction, Heads) else Heads(prediction, ())
            losses = loss(heads.main, label)
            everything = losses + sum(heads.weight * loss(head, label) for head in heads.auxiliary)
            statistics = updated.get("batch_stats", {})
            return (everything * weight).sum() / count, (losses, heads.main, statistics)

        (_, (losses, prediction, statistics)), gradient = jax.value_and_grad(
            objective, has_aux=True
        )(state.params)
        step, memory = optimizer.update(mean_over_devices(gradient), state.optimizer, state.params)
        params = optax.apply_updates(state.params, step)
        measured = {"loss": metrics.mean(losses, weight)} | watch(prediction, label, weight)
        return SupervisedState(params, memory, statistics), measured

    def evaluate(state: SupervisedState, batch: Batch, key: Key) -> Metrics:
        prediction: Any = model.apply(state.variables, inputs(batch[image]))
        losses = loss(prediction, batch[target])
        measured = measure(prediction, batch[target], batch["weight"])
        return {"loss": metrics.mean(losses, batch["weight"])} | measured

    return Learner(init, update, evaluate)
