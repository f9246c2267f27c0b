"""Linear models: solved in one step, or by (proximal) gradient descent, with L2 and L1 penalties.

All minimize, over weights w [F, K] and a bias b that no penalty touches,

    J = 1/(2N) Σₙ ‖xₙ·w + b − yₙ‖² + λ₂/2 ‖w‖² + λ₁ ‖w‖₁

and read batch["x"] and batch["y"] of K numbers. `features` makes F numbers of an x. "loss" is the
mean squared error without the penalties.
"""

from collections.abc import Callable
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dlfun import metrics
from dlfun.learner import Batch, Key, Learner, if_counted, mean_over_devices
from dlfun.metrics import Metrics
from dlfun.nn import losses

Features = Callable[[Array], Float[Array, "batch features"]]


class Linear(NamedTuple):
    """A linear model."""

    weights: Float[Array, "features outputs"]
    bias: Float[Array, " outputs"]


def predict(model: Linear, x: Float[Array, "batch features"]) -> Float[Array, "batch outputs"]:
    """Outputs x·w + b."""
    return jnp.matmul(x, model.weights, precision="highest") + model.bias


def ridge(l2: float | Array = 0.0, features: Features = lambda x: x) -> Learner:
    """Ridge regression by its closed form w = (XᵀX/N + λ₂ I)⁻¹ Xᵀy/N, b = ȳ − x̄·w.

    X and y are centred (Hoerl, Kennard 1970). `update` solves for its batch: let that be the whole
    training set. By X = U S Vᵀ it is w = V S/(S² + N λ₂) Uᵀy, where singular values that are 0 up
    to rounding are left out: of several solutions at λ₂ = 0 it takes the smallest. Only the
    compiler may split a batch over devices (`averages` is False): the mean of the devices'
    solutions is not the solution for the whole batch.
    """

    @jax.default_matmul_precision("highest")
    def update(state: Linear, batch: Batch, key: Key) -> tuple[Linear, Metrics]:
        x, y, weight = features(batch["x"]), batch["y"], batch["weight"][:, None]
        count = weight.sum()
        x_mean, y_mean = (weight * x).sum(axis=0) / count, (weight * y).sum(axis=0) / count
        u, s, v = jnp.linalg.svd(weight * (x - x_mean), full_matrices=False)
        # Of the examples' count and not of the batch's size, which padding changes.
        least = jnp.finfo(s.dtype).eps * jnp.maximum(count, x.shape[1]) * s[0]
        scale = jnp.where(s > least, s / (jnp.maximum(s, least) ** 2 + count * l2), 0)
        weights = v.T @ (scale[:, None] * (u.T @ (weight * (y - y_mean))))
        solved = Linear(weights, y_mean - x_mean @ weights)
        return if_counted(batch, count, solved, _measure(features, solved, batch), state)

    return _linear(features, update, averages=False)


def proximal_gradient(
    learning_rate: float | Array,
    l2: float | Array = 0.0,
    l1: float | Array = 0.0,
    features: Features = lambda x: x,
    proximal: bool = True,
) -> Learner:
    """Gradient descent, with a proximal step for the L1 penalty, which has no gradient at 0.

    w ← S(w − η ∇(J without λ₁), η λ₁), S(w, t) = sign(w) max(|w| − t, 0): "soft thresholding",
    which sets a weight to 0 exactly and keeps it there (ISTA; Daubechies et al. 2004). Without
    `proximal` the subgradient λ₁ sign(w) is added instead: weights then jitter around 0.
    """

    def update(state: Linear, batch: Batch, key: Key) -> tuple[Linear, Metrics]:
        x, weight = features(batch["x"]), batch["weight"][:, None]
        count = mean_over_devices(weight.sum())
        error = weight * (predict(state, x) - batch["y"]) / count
        slope = mean_over_devices(x.T @ error) + l2 * state.weights
        if not proximal:
            slope = slope + l1 * jnp.sign(state.weights)
        moved = state.weights - learning_rate * slope
        if proximal:
            moved = jnp.sign(moved) * jnp.maximum(jnp.abs(moved) - learning_rate * l1, 0)
        bias = state.bias - learning_rate * mean_over_devices(error.sum(axis=0))
        measured = _measure(features, state, batch)
        return if_counted(batch, count, Linear(moved, bias), measured, state)

    return _linear(features, update, averages=True)


def _linear(features: Features, update: Callable, averages: bool) -> Learner:
    def init(key: Key, batch: Batch) -> Linear:
        outputs = batch["y"].shape[1]
        return Linear(jnp.zeros((features(batch["x"]).shape[1], outputs)), jnp.zeros(outputs))

    def evaluate(state: Linear, batch: Batch, key: Key) -> Metrics:
        return _measure(features, state, batch)

    def prediction(state: Linear, batch: Batch) -> Float[Array, "batch outputs"]:
        return predict(state, features(batch["x"]))

    return Learner(init, update, evaluate, prediction, averages)


def _measure(features: Features, state: Linear, batch: Batch) -> Metrics:
    squares = losses.mse(predict(state, features(batch["x"])), batch["y"])
    return {"loss": metrics.mean(squares, batch["weight"])}


def polynomial(degree: int) -> Features:
    """Legendre's polynomials P₁(x) … P_degree(x) of x [batch, 1] in [−1, 1].

    They span what x, x², … span, and are far from parallel, so that the least squares stay
    solvable in float32. (n + 1) P_{n+1} = (2n + 1) x P_n − n P_{n−1}.
    """

    def features(x: Float[Array, "batch 1"]) -> Float[Array, "batch degree"]:
        p = [jnp.ones_like(x), x]
        for n in range(1, degree):
            p.append(((2 * n + 1) * x * p[n] - n * p[n - 1]) / (n + 1))
        return jnp.concatenate(p[1 : degree + 1], axis=1)

    return features


def random_features(count: int, inputs: int, key: Key) -> Features:
    """Features max(0, x V) of `count` fixed directions, V ~ N(0, 2/F_in) (Rahimi, Recht 2007)."""
    directions = nn.initializers.he_normal()(key, (inputs, count))
    return lambda x: nn.relu(x @ directions)
