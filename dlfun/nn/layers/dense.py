"""The dense (fully connected) layer."""

import math
from typing import Any

import flax.linen as nn
from jaxtyping import Array, Float

from dlfun.nn.initializers import SCHEMES, fan_in_uniform, uniform
from dlfun.nn.kernels.linear_maps import matmul


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


def dot_general(
    x: Float[Array, "*batch_and_inputs"],
    kernel: Float[Array, "*inputs_and_outputs"],
    dimension_numbers: Any,
    **_: Any,
) -> Float[Array, "*batch_and_outputs"]:
    """The product in a dense layer, as `nn.Dense(…, dot_general=dot_general)`, by `matmul`.

    Its gradient is fast where x has many rows. The last axes of x are the first ones of the kernel,
    as many as `dimension_numbers` names.
    """
    count = len(dimension_numbers[0][0])
    batch, inputs, outputs = x.shape[:-count], kernel.shape[:count], kernel.shape[count:]
    size = math.prod(inputs)
    product = matmul(x.reshape(-1, size), kernel.reshape(size, -1))
    return product.reshape(*batch, *outputs)


def attend(embedding: nn.Embed, x: Float[Array, "... features"]) -> Float[Array, "... words"]:
    """Products of x with the vectors of all words, as `embedding.attend`, by `matmul`."""
    rows = x.reshape(-1, embedding.features)
    return matmul(rows, embedding.embedding.T).reshape(*x.shape[:-1], embedding.num_embeddings)
