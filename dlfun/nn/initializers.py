"""Initializers of parameters, and the schemes that a Config may name.

What a scheme decides is how the variance of a layer's signals goes on to the next. With weights of
mean 0 and variance v, z = hW has Var z = F_in v E[h²], and gradients on the way back
Var ∂h = F_out v Var ∂z.
"""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

Initializer = Callable[..., Array]

fan_in_uniform: Initializer = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")
"""U(±1/√F_in), PyTorch's default for the kernels of dense and convolutional layers: with it the
printed losses of T3's programs, which are PyTorch's, come out."""

he: Initializer = nn.initializers.variance_scaling(2.0, "fan_in", "normal")
"""N(0, 2/F_in): keeps the variance of activations through layers of ReLUs (He et al., 2015)."""


def uniform(bound: float) -> Initializer:
    """U(±bound); PyTorch's biases have bound = 1/√F_in of their layer's kernel."""

    def init(key: Key[Array, ""], shape: tuple[int, ...], dtype: type = jnp.float32) -> Array:
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return init


SCHEMES: dict[str, Initializer] = {
    "zeros": nn.initializers.zeros,
    "constant": nn.initializers.constant(0.01),
    "uniform": fan_in_uniform,
    "glorot": nn.initializers.variance_scaling(1, "fan_avg", "uniform"),
    "he": nn.initializers.variance_scaling(2, "fan_in", "normal"),
    "orthogonal": nn.initializers.orthogonal(),
}
"""Kernels by name:

- zeros, constant (0.01): every unit of a layer is the same unit, before training and after;
- uniform: U(±1/√F_in), variance 1/(3 F_in), the rule of thumb before Glorot;
- glorot: U(±√(6/(F_in + F_out))), variance 2/(F_in + F_out), which for units that are linear
  around 0 keeps signals and, as nearly as one number can, gradients (Glorot & Bengio, 2010);
- he: N(0, 2/F_in), twice as much, for ReLU passes half (He et al., 2015);
- orthogonal: WᵀW = I, which keeps the length of every vector (Saxe et al., 2014).
"""
