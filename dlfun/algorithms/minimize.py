"""Gradient descent on any loss: the base of every system that follows a gradient."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import optax
from jaxtyping import Array

from dlfun.learner import Batch, Key, Learner, if_counted, mean_over_devices
from dlfun.metrics import Metrics, Ratio


class LossAndMetrics(NamedTuple):
    """The result of a forward pass."""

    loss: Ratio
    """Σ and n: of examples, or of tokens where tokens are predicted. Its mean is minimized."""
    metrics: Metrics = {}  # noqa: RUF012  # Never changed.
    """Reported beside the loss; a "loss" in it is reported in its place."""
    collections: Mapping[str, Any] = {}
    """New values of what the forward pass updates, such as "batch_stats"."""


class MinimizeState(NamedTuple):
    """Parameters, the optimizer's memory, and collections such as running statistics."""

    params: Any
    optimizer: optax.OptState
    collections: Mapping[str, Any]

    @property
    def variables(self) -> dict[str, Any]:
        """The collections as a Flax module's `apply` takes them."""
        return {"params": self.params, **self.collections}


Objective = Callable[[Mapping[str, Any], Batch, Key, bool], LossAndMetrics]
"""(variables, batch, key, training) → loss and metrics."""


def minimize(
    init: Callable[[Key, Batch], Mapping[str, Any]],
    objective: Objective,
    optimizer: optax.GradientTransformation,
    predict: Callable[[Mapping[str, Any], Batch], Any] | None = None,
) -> Learner:
    """A learner that follows ∂(Σ/n)/∂params of `objective(variables, batch, key, training)`.

    Σ and n are summed over the devices that share the batch. Where n is 0, nothing changes and
    nothing is counted. `training` is True in an update and False in evaluation. `key` is the same
    on each device: noise comes from `batch_noise`.

    Args:
        init: first variables, {"params": …} and other collections.
        objective: loss and metrics of a batch, each example counted by batch["weight"].
        optimizer: gradient transformation.
        predict: predictions from variables and a batch, as in `Learner`.
    """

    def start(key: Key, batch: Batch) -> MinimizeState:
        collections = dict(init(key, batch))
        params = collections.pop("params")
        return MinimizeState(params, optimizer.init(params), collections)

    def update(state: MinimizeState, batch: Batch, key: Key) -> tuple[MinimizeState, Metrics]:
        def mean_loss(params: Any) -> tuple[Array, LossAndMetrics]:
            variables = {"params": params, **state.collections}
            result = objective(variables, batch, key, True)
            # Divided by the mean count of the devices, the mean over devices is Σ/n of them all.
            return result.loss.total / mean_over_devices(result.loss.count), result

        gradient, result = jax.grad(mean_loss, has_aux=True)(state.params)
        mean_gradient, count = mean_over_devices((gradient, result.loss.count))
        change, memory = optimizer.update(mean_gradient, state.optimizer, state.params)
        params = optax.apply_updates(state.params, change)
        new = MinimizeState(params, memory, {**state.collections, **result.collections})
        return if_counted(batch, count, new, _reported(result), state)

    def evaluate(state: MinimizeState, batch: Batch, key: Key) -> Metrics:
        return _reported(objective(state.variables, batch, key, False))

    def predictions(state: MinimizeState, batch: Batch) -> Any:
        assert predict is not None
        return predict(state.variables, batch)

    return Learner(start, update, evaluate, predictions if predict else None, averages=True)


def _reported(result: LossAndMetrics) -> Metrics:
    return {"loss": result.loss, **result.metrics}
