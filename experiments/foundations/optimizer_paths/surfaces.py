"""Descent on a surface given by a formula, without data."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from dlfun import metrics
from dlfun.data import Dataset
from dlfun.learner import Batch, Key, Learner
from dlfun.metrics import Metrics

Surface = Callable[[Float[Array, "2 *shape"]], Float[Array, "*shape"]]


def quadratic(point: Float[Array, "2 *shape"]) -> Float[Array, "*shape"]:
    """½ (x² + 50 y²): a long valley of condition number 50, with its minimum 0 at (0, 0)."""
    x, y = point
    return (x**2 + 50 * y**2) / 2


def rosenbrock(point: Float[Array, "2 *shape"]) -> Float[Array, "*shape"]:
    """(1 − x)² + 100 (y − x²)²: a bent valley, with its minimum 0 at (1, 1) (Rosenbrock 1960)."""
    x, y = point
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2


class DescentState(NamedTuple):
    """Where a descent stands."""

    point: Float[Array, "2"]
    optimizer: optax.OptState


def minimize_function(
    surface: Surface,
    start: Sequence[float],
    optimizer: optax.GradientTransformation,
    spread: float = 0.1,
) -> Learner:
    """Learner that walks down a surface, from a point drawn around `start` by its key.

    A batch tells it nothing but that it is time for a step; "loss" is the height before it.
    """

    def init(key: Key, batch: Batch) -> DescentState:
        point = jnp.asarray(start) + spread * jax.random.normal(key, (2,))
        return DescentState(point, optimizer.init(point))

    def update(state: DescentState, batch: Batch, key: Key) -> tuple[DescentState, Metrics]:
        height, slope = jax.value_and_grad(surface)(state.point)
        step, memory = optimizer.update(slope, state.optimizer, state.point)
        measured = {"loss": metrics.scalar(height, batch["weight"])}
        return DescentState(state.point + step, memory), measured

    def evaluate(state: DescentState, batch: Batch, key: Key) -> Metrics:
        return {"loss": metrics.scalar(surface(state.point), batch["weight"])}

    return Learner(init, update, evaluate)


def ticks(steps: int) -> Dataset:
    """As many examples as an epoch is to have steps, that say nothing."""
    splits: Any = {n: {"tick": np.zeros(c, np.float32)} for n, c in (("train", steps), ("test", 1))}
    return Dataset("a surface", splits)
