"""The dense (fully connected) layer."""

import flax.linen as nn
from jaxtyping import Array, Float

from dlfun.nn.initializers import SCHEMES, fan_in_uniform, uniform


def dense(
    x: Float[Array, "batch features"], width: int, scheme: str | None = None
) -> Float[Array, "batch width"]:
    """Compute xW + b in a new submodule.

    W and b start from PyTorch's initial distribution, U(±1/√F_in); with a `scheme` of `SCHEMES`, W
    starts from that and b at 0.
    """
    if scheme is not None:
        return nn.Dense(width, kernel_init=SCHEMES[scheme])(x)
    bound = x.shape[-1] ** -0.5
    return nn.Dense(width, kernel_init=fan_in_uniform, bias_init=uniform(bound))(x)
