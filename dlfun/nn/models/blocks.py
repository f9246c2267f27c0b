"""Parts that convolutional networks share; functions add layers to the module that calls them."""

from collections.abc import Sequence

import flax.linen as nn
from jax import Array
from jaxtyping import Float

from dlfun.nn.initializers import Initializer, he
from dlfun.nn.layers.conv import Conv
from dlfun.nn.layers.dense import dense
from dlfun.nn.layers.dropout import Dropout

Weights = Float[Array, " batch"] | None
"""Argument `training` of a model: the weight of each example, None in evaluation."""


def he_conv(
    x: Float[Array, "batch height width in"],
    features: int,
    window: int = 3,
    strides: int = 1,
    *,
    use_bias: bool = False,
    kernel_init: Initializer = he,
) -> Float[Array, "batch out_height out_width features"]:
    """Convolution that keeps the size at stride 1; kernels start by He's scheme, biases at 0."""
    return Conv(
        features,
        (window, window),
        strides,
        window // 2,
        use_bias=use_bias,
        kernel_init=kernel_init,
        bias_init=nn.initializers.zeros,
    )(x)


def head(
    x: Float[Array, "batch *features"],
    training: Weights,
    hidden: Sequence[int],
    classes: int,
    rate: float | Array,
) -> Float[Array, "batch classes"]:
    """Flatten x, then apply dense layers with ReLU and dropout, and a dense layer to logits."""
    x = x.reshape(x.shape[0], -1)
    for features in hidden:
        x = Dropout(rate)(nn.relu(dense(x, features)), training)
    return dense(x, classes)
