"""The convolutional network of [T3, sec. 3.2.3]."""

import flax.linen as nn
from jax import Array
from jaxtyping import Float

from dlfun.layers.conv import Conv
from dlfun.layers.pooling import max_pool


class CNN(nn.Module):
    """Blocks of 3x3 convolution, ReLU and 2x2 max-pooling, then dense layers [T3, sec. 3.2.3]."""

    channels: tuple[int, ...] = (32, 64)
    hidden: tuple[int, ...] = (128,)
    classes: int = 10

    @nn.compact
    def __call__(self, x: Float[Array, "batch height width in"]) -> Float[Array, "batch classes"]:
        """Logits of images."""
        for features in self.channels:
            x = max_pool(nn.relu(Conv(features)(x)))
        x = x.reshape(x.shape[0], -1)
        for features in self.hidden:
            x = nn.relu(nn.Dense(features)(x))
        return nn.Dense(self.classes)(x)
