"""A small convolutional network for small images."""

import flax.linen as nn
from jax import Array
from jaxtyping import Float

from dlfun.activations import ACTIVATIONS
from dlfun.layers.conv import Conv
from dlfun.layers.dense import dense
from dlfun.layers.normalization import BatchNorm, Running
from dlfun.layers.pooling import Pool


class CNN(nn.Module):
    """Blocks of 3×3 convolution, ReLU and 2×2 max-pooling, then dense layers [T3, sec. 3.2.3].

    28×28×1 → 28×28×32 → 14×14×32 → 14×14×64 → 7×7×64 → 3136 → 128 → 10, of 421,642 parameters.

    Raises:
        ValueError: an image too small for as many poolings as there are blocks.
    """

    channels: tuple[int, ...] = (32, 64)
    hidden: tuple[int, ...] = (128,)
    classes: int = 10
    activation: str = "relu"
    batch_norm: Running | None = None
    """How batch normalization before each activation keeps its statistics; by default, none."""

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "batch height width in"],
        training: Float[Array, " batch"] | None = None,
    ) -> Float[Array, "batch classes"]:
        """Logits of images [batch, height, width, channels]; `training` as in `BatchNorm`."""

        def norm(z: Array) -> Array:
            return BatchNorm(self.batch_norm)(z, training) if self.batch_norm else z

        activation = ACTIVATIONS[self.activation].function
        for features in self.channels:
            # An activation never decreases, so it may follow the maximum: the same values and
            # gradients for a quarter of the work.
            x = activation(Pool()(norm(Conv(features)(x))))
        x = x.reshape(x.shape[0], -1)
        for features in self.hidden:
            x = activation(norm(dense(x, features)))
        return dense(x, self.classes)
