"""Gradient descent on a surface given by a formula, without data."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from dlfun.algorithms.minimize import LossAndMetrics, minimize
from dlfun.learner import Batch, Key, Learner
from dlfun.metrics import scalar

Surface = Callable[[Float[Array, "2 *shape"]], Float[Array, "*shape"]]


def quadratic(point: Float[Array, "2 *shape"]) -> Float[Array, "*shape"]:
    """½ (x² + 50 y²): a long valley of condition number 50, with its minimum 0 at (0, 0)."""
    x, y = point
    return (x**2 + 50 * y**2) / 2


def rosenbrock(point: Float[Array, "2 *shape"]) -> Float[Array, "*shape"]:
    """(1 − x)² + 100 (y − x²)²: a bent valley, with its minimum 0 at (1, 1) (Rosenbrock 1960)."""
    x, y = point
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2


def minimize_function(
    surface: Surface,
    start: Sequence[float],
    optimizer: optax.GradientTransformation,
    deviation: float = 0.1,
) -> Learner:
    """Learner that minimizes a function of two numbers, from `start` plus N(0, deviation²).

    Ignores the batch. "loss" is the function value before the step; `params` is the point.
    """

    def init(key: Key, batch: Batch) -> dict[str, Array]:
        return {"params": jnp.asarray(start) + deviation * jax.random.normal(key, (2,))}

    def objective(
        variables: Mapping[str, Any], batch: Batch, key: Key, training: bool
    ) -> LossAndMetrics:
        return LossAndMetrics(scalar(surface(variables["params"]), batch["weight"]))

    return minimize(init, objective, optimizer)
