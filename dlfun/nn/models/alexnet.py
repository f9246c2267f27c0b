"""AlexNet, which won ImageNet 2012 (Krizhevsky, Sutskever & Hinton, 2012).

ReLUs, dropout, augmentation and two GPUs: 15.3 % top-5 error, where the second best had 26.2 %. The
network here is the one-column form of Krizhevsky (2014), "One weird trick for parallelizing
convolutional neural networks", without the split over two GPUs and without local response
normalization.
"""

from functools import partial

import flax.linen as nn
from jax import Array
from jaxtyping import Float

from dlfun.nn.layers.conv import Conv
from dlfun.nn.layers.pooling import Pool, max_pool
from dlfun.nn.models.blocks import Weights, he_conv, head


class AlexNet(nn.Module):
    """Five convolutions, three overlapping poolings 3×3 at stride 2, three dense layers.

    224×224×3 → 55×55×64 → 27×27×192 → 13×13×384 → 13×13×256 → 6×6×256 → 4096 → 4096 → 1000, of
    61,100,840 parameters.

    Attributes:
        first: kernel, stride and padding of the first convolution.
        channels: output channels of the convolutions.
        hidden: widths of the hidden dense layers.
        rate: dropout rate after each hidden layer.
    """

    classes: int = 1000
    first: tuple[int, int, int] = (11, 4, 2)
    channels: tuple[int, int, int, int, int] = (64, 192, 384, 256, 256)
    hidden: tuple[int, ...] = (4096, 4096)
    rate: float | Array = 0.5

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width in"], training: Weights = None
    ) -> Float[Array, "batch classes"]:
        """Logits of images. Raises ValueError for images too small for the poolings."""
        window, strides, padding = self.first
        pool = partial(Pool, max_pool, 3, 2)
        x = nn.relu(pool()(Conv(self.channels[0], (window, window), strides, padding)(x)))
        x = nn.relu(pool()(he_conv(x, self.channels[1], 5, use_bias=True)))
        for features in self.channels[2:4]:
            x = nn.relu(he_conv(x, features, use_bias=True))
        x = nn.relu(pool()(he_conv(x, self.channels[4], use_bias=True)))
        return head(x, training, self.hidden, self.classes, self.rate)


def alexnet_small(classes: int = 10, width: int = 32, rate: float | Array = 0.5) -> AlexNet:
    """AlexNet for images of about 28×28: first convolution 3×3 at stride 1, narrower layers."""
    channels = (width, 3 * width, 6 * width, 4 * width, 4 * width)
    return AlexNet(classes, (3, 1, 1), channels, (16 * width, 16 * width), rate)
