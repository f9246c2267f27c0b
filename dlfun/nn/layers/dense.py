"""The dense (fully connected) layer."""

import flax.linen as nn
from jaxtyping import Array, Float

from dlfun.nn.initializers import SCHEMES, fan_in_uniform, uniform


def dense(
    x: Float[Array, "batch features"], width: int, scheme: str | None = None
) -> Float[Array, "batch width"]:
    """XW + b in a module of its own.

    By default from PyTorch's initial distribution; with a `scheme`, W starts as it says and b at 0.
    """
    if scheme is not None:
        return nn.Dense(width, kernel_init=SCHEMES[scheme])(x)
    bound = x.shape[-1] ** -0.5
    return nn.Dense(width, kernel_init=fan_in_uniform, bias_init=uniform(bound))(x)
