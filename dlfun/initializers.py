"""Initializers of parameters."""

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
