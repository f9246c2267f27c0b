"""Activations: what each computes, where its values lie, its derivative, and where it saturates.

Of each the derivative is written in what the forward pass has left behind, as backpropagation by
hand wants it; the tests hold it equal to `jax.grad`.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def sigmoid(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """σ(x) = 1 / (1 + e⁻ˣ), in (0, 1) [T3, sec. 3.1.1]. σ' = σ (1 − σ) ≤ ¼, at 0.

    Saturates on both sides: σ' < 0.01 where |x| > 4.6. Without overflow at any x.
    """
    return jax.nn.sigmoid(x)


def tanh(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """(1 − e⁻²ˣ) / (1 + e⁻²ˣ) = 2 σ(2x) − 1, in (−1, 1). tanh' = 1 − tanh² ≤ 1, at 0.

    (T3, sec. 3.1.1, prints 1 − e⁻²ˣ for the denominator too.) Saturates on both sides.
    """
    return jnp.tanh(x)


def relu(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """max(0, x), in [0, ∞). Its derivative is 0 where x ≤ 0, else 1.

    Saturates on the left: a unit that is negative on every example learns no more. (At 0, where
    there is no derivative, 0 is taken, as everywhere.)
    """
    return jax.nn.relu(x)


def leaky_relu(x: Float[Array, "*shape"], slope: float | Array = 0.01) -> Float[Array, "*shape"]:
    """X where x > 0, else αx, on the whole line (Maas et al. 2013). Its derivative is 1 or α."""
    return jnp.where(x > 0, x, slope * x)


def elu(x: Float[Array, "*shape"], alpha: float | Array = 1.0) -> Float[Array, "*shape"]:
    """X where x > 0, else α (eˣ − 1), in (−α, ∞) (Clevert et al. 2016).

    Its derivative is 1, or elu(x) + α on the left, where it saturates at −α.
    """
    # Of the side not taken the exponential must not overflow: its gradient would be nan.
    return jnp.where(x > 0, x, alpha * jnp.expm1(jnp.minimum(x, 0)))


def softmax(x: Float[Array, "*shape classes"]) -> Float[Array, "*shape classes"]:
    """exp(xᵢ) / Σⱼ exp(xⱼ), over the last axis: each in (0, 1), together 1.

    ∂pᵢ/∂xⱼ = pᵢ ([i = j] − pⱼ). Adding the same to all x changes nothing; of two classes it is the
    sigmoid of their difference.
    """
    return jax.nn.softmax(x, axis=-1)


class Activation(NamedTuple):
    """An elementwise activation."""

    function: Callable[[Array], Array]
    derivative: Callable[[Array, Array], Array]
    """From x and y = function(x)."""
    low: float
    high: float
    """Bounds of its values."""
    formula: str


def _step(x: Array, left: Array) -> Array:
    return jnp.where(x > 0, jnp.ones_like(x), left)


ACTIVATIONS = {
    "sigmoid": Activation(sigmoid, lambda x, y: y * (1 - y), 0, 1, "1 / (1 + e⁻ˣ)"),
    "tanh": Activation(tanh, lambda x, y: 1 - y**2, -1, 1, "(1 − e⁻²ˣ) / (1 + e⁻²ˣ)"),
    "relu": Activation(
        relu, lambda x, y: _step(x, jnp.zeros_like(x)), 0, float("inf"), "max(0, x)"
    ),
    "leaky_relu": Activation(
        leaky_relu,
        lambda x, y: _step(x, jnp.full_like(x, 0.01)),
        -float("inf"),
        float("inf"),
        "x, or 0.01 x where x < 0",
    ),
    "elu": Activation(
        elu, lambda x, y: _step(x, y + 1), -1, float("inf"), "x, or eˣ − 1 where x < 0"
    ),
}
"""The elementwise ones by name."""
