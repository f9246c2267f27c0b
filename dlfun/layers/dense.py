"""The dense (fully connected) layer."""

import flax.linen as nn
from jaxtyping import Array, Float

from dlfun.initializers import fan_in_uniform, uniform


def dense(x: Float[Array, "batch features"], width: int) -> Float[Array, "batch width"]:
    """XW + b in a module of its own, from PyTorch's initial distribution."""
    bound = x.shape[-1] ** -0.5
    return nn.Dense(width, kernel_init=fan_in_uniform, bias_init=uniform(bound))(x)
