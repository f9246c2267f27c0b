"""Small convolutional networks for small images."""

import flax.linen as nn
from jax import Array
from jaxtyping import Float

from dlfun.nn.activations import ACTIVATIONS
from dlfun.nn.kernels.cache_blocks import in_cache_blocks
from dlfun.nn.layers.conv import Conv
from dlfun.nn.layers.dense import dense
from dlfun.nn.layers.dropout import Dropout
from dlfun.nn.layers.normalization import BatchNorm, Running
from dlfun.nn.layers.pooling import Pool, global_avg_pool


class CNN(nn.Module):
    """Blocks of 3×3 convolution, ReLU and 2×2 max-pooling, then dense layers [T3, sec. 3.2.3].

    28×28×1 → 28×28×32 → 14×14×32 → 14×14×64 → 7×7×64 → 3136 → 128 → 10, of 421,642 parameters.
    With `average`, each channel of the last block is averaged over all positions instead of pooled
    and flattened: T2's sample network, with channels 32, 64, 128, 256 and no hidden layer, has
    390,410 parameters. (T2 prints three blocks only; a fourth convolution and the global average
    are meant.)

    Raises:
        ValueError: an image too small for as many poolings as there are blocks.
    """

    channels: tuple[int, ...] = (32, 64)
    hidden: tuple[int, ...] = (128,)
    classes: int = 10
    activation: str = "relu"
    average: bool = False
    """True if the convolutions end in a global average (Lin et al., 2014)."""
    batch_norm: Running | None = None
    """Running statistics of batch normalization before each activation; None for none."""

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "batch height width in"],
        training: Float[Array, " batch"] | None = None,
    ) -> Float[Array, "batch classes"]:
        """Logits of images [batch, height, width, channels]; `training` as in `BatchNorm`."""

        def norm(z: Array) -> Array:
            return BatchNorm(self.batch_norm)(z, training) if self.batch_norm else z

        def conv_and_pool(x: Array, features: int) -> Array:
            conv, pool = Conv(features), Pool()
            return pool(norm(conv(x))) if self.batch_norm else in_cache_blocks([conv, pool], x)

        activation = ACTIVATIONS[self.activation].function
        blocks = len(self.channels) - self.average
        for features in self.channels[:blocks]:
            # An activation is monotonic, so it may follow the maximum: the same values and
            # gradients for a quarter of the work.
            x = activation(conv_and_pool(x, features))
        for features in self.channels[blocks:]:
            x = global_avg_pool(activation(norm(Conv(features)(x))))
        x = x.reshape(x.shape[0], -1)
        for features in self.hidden:
            x = activation(norm(dense(x, features)))
        return dense(x, self.classes)


class DropoutCNN(nn.Module):
    """The convolutional network of T1, sec. 3.2.4, with dropout before its only dense layer.

    28×28×1 → conv 4×4 25×25×32 → pool 12×12×32 → conv 3×3 10×10×32 → pool 5×5×32 → dropout → 800 →
    10, of 17,802 parameters; convolutions without padding, ReLU after each pooling. A rate of 0.3
    keeps 70 % of the connections; T1 misprints 3 %.

    Raises:
        ValueError: an image too small to leave an output.
    """

    classes: int = 10
    rate: float | Array = 0.3
    """Share of the 800 features that is dropped while training."""

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "batch height width in"],
        training: Float[Array, " batch"] | None = None,
    ) -> Float[Array, "batch classes"]:
        """Logits of images (the loss applies T1's softmax); `training` as in `Dropout`."""
        for kernel in ((4, 4), (3, 3)):
            x = nn.relu(in_cache_blocks([Conv(32, kernel, padding="VALID"), Pool()], x))
        return dense(Dropout(self.rate)(x, training).reshape(len(x), -1), self.classes)
