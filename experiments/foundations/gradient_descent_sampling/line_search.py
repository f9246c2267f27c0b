"""Gradient descent that finds its step length by backtracking (Armijo 1966)."""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from dlfun import metrics
from dlfun.learner import Batch, Key, Learner, if_counted, mean_over_devices
from dlfun.metrics import Metrics


class LineSearchState(NamedTuple):
    """Parameters, and the step length of the last update."""

    params: Any
    step: Float[Array, ""]


def line_search(
    model: nn.Module,
    loss: Callable[[Array, Array], Float[Array, " batch"]],
    *,
    inputs: Callable[[Array], Array] = lambda x: x,
    first: float | Array = 1.0,
    shrink: float | Array = 0.5,
    slope: float | Array = 1e-4,
    columns: tuple[str, str] = ("image", "label"),
) -> Learner:
    """Learner w ← w − t g, by the first t of t₀, β t₀, β² t₀, … that lowers the loss enough.

    Enough is J(w − t g) ≤ J(w) − c t ‖g‖² (Armijo's condition), with t₀ = `first`,
    β = `shrink`, c = `slope`: no learning rate is chosen, and of a full batch the loss never rises
    (Nocedal, Wright 2006, algorithm 3.1). Gives up, and leaves w as it is, below t = 1e-7 t₀.
    `columns` names x and y in a batch.
    """
    x, y = columns

    def init(key: Key, batch: Batch) -> LineSearchState:
        return LineSearchState(model.init(key, inputs(batch[x]))["params"], jnp.zeros(()))

    def predict(state: LineSearchState, batch: Batch) -> Any:
        return model.apply({"params": state.params}, inputs(batch[x]))

    def update(state: LineSearchState, batch: Batch, key: Key) -> tuple[LineSearchState, Metrics]:
        weight = batch["weight"]
        count = mean_over_devices(weight.sum())

        def objective(params: Any) -> tuple[Array, Array]:
            losses = loss(predict(state._replace(params=params), batch), batch[y])
            return (losses * weight).sum() / count, losses

        (local, losses), gradient = jax.value_and_grad(objective, has_aux=True)(state.params)
        here, gradient = mean_over_devices((local, gradient))
        squared = optax.tree.norm(gradient, squared=True)

        def moved(step: Array) -> Any:
            return jax.tree.map(lambda w, g: w - step * g, state.params, gradient)

        def too_long(step: Array) -> Array:
            there = mean_over_devices(objective(moved(step))[0])
            return (there > here - slope * step * squared) & (step > 1e-7 * first)

        step = jax.lax.while_loop(too_long, lambda t: t * shrink, jnp.asarray(first, jnp.float32))
        step = jnp.where(step > 1e-7 * first, step, 0)
        measured = {"loss": metrics.mean(losses, weight)}
        return if_counted(batch, count, LineSearchState(moved(step), step), measured, state)

    def evaluate(state: LineSearchState, batch: Batch, key: Key) -> Metrics:
        return {"loss": metrics.mean(loss(predict(state, batch), batch[y]), batch["weight"])}

    return Learner(init, update, evaluate, predict, averages=True)
