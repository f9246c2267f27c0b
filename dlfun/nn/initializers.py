"""Initializers of parameters, and the schemes that a Config may name.

A scheme decides how the variance of signals changes from layer to layer. With weights of mean 0 and
variance v, z = hW has Var z = F_in v E[h²]; the gradients have Var ∂h = F_out v Var ∂z.
"""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.custom_batching import sequential_vmap
from jax.typing import DTypeLike
from jaxtyping import Array, Key

Initializer = Callable[..., Array]

fan_in_uniform: Initializer = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")
"""U(±1/√F_in), PyTorch's default for kernels of dense and convolutional layers. T3's programs use
PyTorch, so its printed losses depend on this default."""

he: Initializer = nn.initializers.variance_scaling(2.0, "fan_in", "normal")
"""N(0, 2/F_in): keeps the variance of activations through layers of ReLUs (He et al., 2015)."""


def uniform(bound: float) -> Initializer:
    """Initializer from U(±bound); PyTorch's biases have bound = 1/√F_in of their layer's kernel."""

    def init(key: Key[Array, ""], shape: tuple[int, ...], dtype: DTypeLike = jnp.float32) -> Array:
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return init


def orthogonal(
    key: Key[Array, ""], shape: tuple[int, ...], dtype: DTypeLike = jnp.float32
) -> Array:
    """A matrix with WᵀW = I, uniform among them: Q of the factors QR of one of normal draws.

    Under `vmap` one after another: where LAPACK factors several at once, and this twice at the same
    time, it does not return (jaxlib 0.10.2 on two cores).
    """
    draw = nn.initializers.orthogonal()
    return sequential_vmap(lambda key: draw(key, shape, dtype))(key)


SCHEMES: dict[str, Initializer] = {
    "zeros": nn.initializers.zeros,
    "constant": nn.initializers.constant(0.01),
    "uniform": fan_in_uniform,
    "glorot": nn.initializers.variance_scaling(1, "fan_avg", "uniform"),
    "he": nn.initializers.variance_scaling(2, "fan_in", "normal"),
    "orthogonal": orthogonal,
}
"""Initializers of kernels by name:

- zeros, constant (0.01): all units of a layer are equal, before training and after;
- uniform: U(±1/√F_in), variance 1/(3 F_in), the rule of thumb before Glorot;
- glorot: U(±√(6/(F_in + F_out))), variance 2/(F_in + F_out), a compromise that keeps
  the variance of signals and of gradients for units that are linear around 0 (Glorot & Bengio,
  2010);
- he: N(0, 2/F_in), twice the variance, because ReLU passes half of it (He et al., 2015);
- orthogonal: WᵀW = I, which keeps the length of every vector (Saxe et al., 2014).
"""
