"""Linear models: solved in one step, or by (proximal) gradient descent, with L2 and L1 penalties.

All minimize, over weights w [F, 1] and a bias b that no penalty touches,

    J = 1/(2N) Σₙ (xₙ·w + b − yₙ)² + λ₂/2 ‖w‖² + λ₁ ‖w‖₁

and read batch["x"] and batch["y"], one number each. `features` makes F numbers of an x. "loss" is
the mean squared error without the penalties.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from dlfun import losses, metrics
from dlfun.learner import Batch, Key, Learner, average
from dlfun.metrics import Metrics

Features = Callable[[Array], Float[Array, "batch features"]]


class Linear(NamedTuple):
    """A linear model."""

    weights: Float[Array, "features 1"]
    bias: Float[Array, "1"]


def predict(model: Linear, x: Float[Array, "batch features"]) -> Float[Array, "batch 1"]:
    """x·w + b."""
    return jnp.matmul(x, model.weights, precision="highest") + model.bias


def ridge(l2: float | Array = 0.0, features: Features = lambda x: x) -> Learner:
    """The closed form w = (XᵀX/N + λ₂ I)⁻¹ Xᵀy/N of centred X and y; b = ȳ − x̄·w.

    (Hoerl, Kennard 1970.) `update` solves for its batch: let that be the whole training set. Solved
    as the least squares of X with √(N λ₂) I appended below, and 0 below y, which rounds less; of
    several solutions at λ₂ = 0 it takes the smallest. Not to be split over devices.
    """

    def update(state: Linear, batch: Batch, key: Key) -> tuple[Linear, Metrics]:
        x, y, weight = features(batch["x"]), batch["y"], batch["weight"][:, None]
        count = weight.sum()
        x_mean, y_mean = (weight * x).sum(axis=0) / count, (weight * y).sum(axis=0) / count
        size = x.shape[1]
        left = jnp.concatenate([weight * (x - x_mean), jnp.sqrt(count * l2) * jnp.eye(size)])
        right = jnp.concatenate([weight * (y - y_mean), jnp.zeros((size, 1))])
        weights = jnp.linalg.lstsq(left, right)[0]
        solved = Linear(weights, y_mean - x_mean @ weights)
        return solved, _measure(features, solved, batch)

    return _linear(features, update)


def descent(
    learning_rate: float | Array,
    l2: float | Array = 0.0,
    l1: float | Array = 0.0,
    features: Features = lambda x: x,
    proximal: bool = True,
) -> Learner:
    """Gradient descent; of the L1 penalty, which has no gradient at 0, a proximal step.

    w ← S(w − η ∇(J without λ₁), η λ₁), S(w, t) = sign(w) max(|w| − t, 0): "soft thresholding",
    which sets a weight to 0 exactly and keeps it there (ISTA; Daubechies et al. 2004). Without
    `proximal` the subgradient λ₁ sign(w) is added instead: weights then jitter around 0.
    """

    def update(state: Linear, batch: Batch, key: Key) -> tuple[Linear, Metrics]:
        x, weight = features(batch["x"]), batch["weight"][:, None]
        error = weight * (predict(state, x) - batch["y"]) / average(weight.sum())
        slope = average(x.T @ error) + l2 * state.weights
        if not proximal:
            slope = slope + l1 * jnp.sign(state.weights)
        moved = state.weights - learning_rate * slope
        if proximal:
            moved = jnp.sign(moved) * jnp.maximum(jnp.abs(moved) - learning_rate * l1, 0)
        bias = state.bias - learning_rate * average(error.sum(axis=0))
        return Linear(moved, bias), _measure(features, state, batch)

    return _linear(features, update)


def _linear(features: Features, update: Callable) -> Learner:
    def init(key: Key, batch: Batch) -> Linear:
        return Linear(jnp.zeros((features(batch["x"]).shape[1], 1)), jnp.zeros(1))

    def evaluate(state: Linear, batch: Batch, key: Key) -> Metrics:
        return _measure(features, state, batch)

    return Learner(init, update, evaluate)


def _measure(features: Features, state: Linear, batch: Batch) -> Metrics:
    found = losses.mse(predict(state, features(batch["x"])), batch["y"])
    return {"loss": metrics.mean(found, batch["weight"])}


def polynomial(degree: int) -> Features:
    """Legendre's P₁(x) … P_degree(x) of x [batch, 1] in [−1, 1].

    They span what x, x², … span, and are far from parallel, so that the least squares stay
    solvable in float32. (n + 1) P_{n+1} = (2n + 1) x P_n − n P_{n−1}.
    """

    def features(x: Float[Array, "batch 1"]) -> Float[Array, "batch degree"]:
        found = [jnp.ones_like(x), x]
        for n in range(1, degree):
            found.append(((2 * n + 1) * x * found[n] - n * found[n - 1]) / (n + 1))
        return jnp.concatenate(found[1 : degree + 1], axis=1)

    return features
