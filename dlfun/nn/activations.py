"""Activations: formula, range, derivative and saturation.

Derivatives are functions of the input x and the output y, which a forward pass keeps, so that
backpropagation can be written by hand; the tests compare them with `jax.grad`.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def sigmoid(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """σ(x) = 1 / (1 + e⁻ˣ), in (0, 1) [T3, sec. 3.1.1]. σ' = σ (1 − σ) ≤ ¼, at 0.

    Saturates on both sides: σ' < 0.01 where |x| > 4.6. No x makes it overflow.
    """
    return jax.nn.sigmoid(x)


def tanh(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """(1 − e⁻²ˣ) / (1 + e⁻²ˣ) = 2 σ(2x) − 1, in (−1, 1). tanh' = 1 − tanh² ≤ 1, at 0.

    Saturates on both sides. (T3, sec. 3.1.1, misprints the denominator as 1 − e⁻²ˣ.)
    """
    return jnp.tanh(x)


def relu(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """max(0, x), in [0, ∞). Its derivative is 0 where x ≤ 0, else 1.

    Saturates on the left: a unit whose x is negative on all examples stops learning. At 0, where
    there is no derivative, 0 is used by convention.
    """
    return jax.nn.relu(x)


def leaky_relu(x: Float[Array, "*shape"], slope: float | Array = 0.01) -> Float[Array, "*shape"]:
    """x where x > 0, else αx, in (−∞, ∞) (Maas et al., 2013). Its derivative is 1 or α."""
    return jnp.where(x > 0, x, slope * x)


def elu(x: Float[Array, "*shape"], alpha: float | Array = 1.0) -> Float[Array, "*shape"]:
    """x where x > 0, else α (eˣ − 1), in (−α, ∞) (Clevert et al., 2016).

    Its derivative is 1 where x > 0, else elu(x) + α. Saturates on the left, at −α.
    """
    # The exponential must not overflow where x > 0: the gradient of `where` would be nan.
    return jnp.where(x > 0, x, alpha * jnp.expm1(jnp.minimum(x, 0)))


def softmax(x: Float[Array, "*shape classes"]) -> Float[Array, "*shape classes"]:
    """pᵢ = exp(xᵢ) / Σⱼ exp(xⱼ) over the last axis, in (0, 1), with sum 1.

    ∂pᵢ/∂xⱼ = pᵢ ([i = j] − pⱼ). Adding a constant to all x leaves p unchanged; for two classes p is
    the sigmoid of the difference of x.
    """
    return jax.nn.softmax(x, axis=-1)


class Activation(NamedTuple):
    """An elementwise activation."""

    function: Callable[[Array], Array]
    derivative: Callable[[Array, Array], Array]
    """Derivative at x, from x and y = function(x)."""
    low: float
    high: float
    """Upper bound of the values; `low` is the lower one."""
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
"""Elementwise activations by name."""
