"""Forecasts of the next value of a series: recurrent networks, and simple methods beside them."""

from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from dlfun import metrics
from dlfun.algorithms.supervised import supervised
from dlfun.learner import Learner
from dlfun.metrics import Metrics
from dlfun.nn.models.forecaster import Forecaster

Windows = Mapping[str, Any]
"""A split of windows "x" [n, length, columns] and what follows each, "y" [n]."""


def forecaster(
    model: Forecaster,
    optimizer: optax.GradientTransformation,
    loss: Callable[[Array], Array] = jnp.square,
) -> Learner:
    """Learner that minimizes the mean loss of (forecast − y)/σ, with σ the standard deviation of y.

    Its metrics beside the loss are "mae", the mean of |forecast − y|, and "mse", that of
    (forecast − y)², in the units of the series.
    """
    scale = np.float32(model.units.y_scale)

    def measure(forecast: Array, y: Array, weight: Array) -> Metrics:
        error = forecast - y
        return {
            "mae": metrics.mean(jnp.abs(error), weight),
            "mse": metrics.mean(jnp.square(error), weight),
        }

    return supervised(
        model,
        lambda forecast, y: loss((forecast - y) / scale),
        optimizer,
        eval_metrics=measure,
        train_metrics=measure,
        columns=("x", "y"),
    )


def persistence(windows: Windows, lag: int = 1) -> Float[np.ndarray, " n"]:
    """Forecasts that repeat the value of `lag` steps before: of the last one, or a week before."""
    return windows["x"][:, -lag, 0]


def autoregression(train: Windows, windows: Windows, order: int) -> Float[np.ndarray, " n"]:
    """Forecasts a + Σₖ bₖ y₍ₜ₋ₖ₎ for k = 1 … order, the least squares of training windows."""

    def rows(x: Float[np.ndarray, "n length columns"]) -> Float[np.ndarray, "n inputs"]:
        return np.concatenate([x[:, -order:, 0], np.ones((len(x), 1))], axis=1, dtype=np.float64)

    coefficients, *_ = np.linalg.lstsq(rows(train["x"]), train["y"], rcond=None)
    return rows(windows["x"]) @ coefficients


def rmse(forecast: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"]) -> float:
    """Root of the mean squared error."""
    return float(np.sqrt(np.mean(np.square(np.asarray(forecast, np.float64) - y))))


def mae(forecast: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"]) -> float:
    """Mean absolute error."""
    return float(np.mean(np.abs(np.asarray(forecast, np.float64) - y)))
