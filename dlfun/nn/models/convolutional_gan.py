"""A generator of transposed convolutions and a critic of convolutions, for small images."""

import math

import flax.linen as nn
from jaxtyping import Array, Float

from dlfun.nn.layers.conv import Conv
from dlfun.nn.layers.conv_transpose import ConvTranspose
from dlfun.nn.layers.normalization import BatchNorm

WINDOW = (4, 4)
"""A window that the stride of 2 divides: no pixel is reached more often than another."""


class ConvGenerator(nn.Module):
    """Transposed convolutions of stride 2 from noise to an image (Radford et al. 2016).

    Noise → dense 7×7×64 → 14×14×32 → 28×28×1, windows of 4×4, with batch normalization and ReLU
    before each: without the former all noise comes to give one image.

    Attributes:
        shape: height, width and channels of the images, which are returned as rows of pixels.
        channels: channels of each layer's input; each layer doubles the image, and what is more
            than `shape` is cut off.
    """

    shape: tuple[int, int, int] = (28, 28, 1)
    channels: tuple[int, ...] = (64, 32)

    @nn.compact
    def __call__(
        self, z: Float[Array, "batch noise"], training: Float[Array, " batch"] | None = None
    ) -> Float[Array, "batch pixels"]:
        """The image for noise, before the function that bounds its pixels.

        `training` as in `BatchNorm`.
        """
        height, width, colours = self.shape
        factor = 2 ** len(self.channels)
        first = -(-height // factor), -(-width // factor), self.channels[0]
        h = nn.Dense(math.prod(first))(z).reshape(-1, *first)
        for features in (*self.channels[1:], colours):
            h = nn.relu(BatchNorm()(h, training))
            h = ConvTranspose(features, WINDOW, strides=2, padding=1)(h)
        return h[:, :height, :width].reshape(len(z), -1)


class ConvCritic(nn.Module):
    """Convolutions of stride 2 and a dense layer from an image to a number (Radford et al. 2016).

    28×28×1 → 14×14×32 → 7×7×64 → 1, windows of 4×4, leaky ReLU of slope 0.2, no normalization of
    activations: the gradient penalty is of each image alone.

    Attributes:
        shape: height, width and channels of the images.
        channels: channels of each convolution.
        spectral: divide each kernel by its largest singular value (Miyato et al. 2018), which a
            step of power iteration estimates, from the vector in the collection "batch_stats". The
            vector moves on where that collection is mutable.
    """

    shape: tuple[int, int, int] = (28, 28, 1)
    channels: tuple[int, ...] = (32, 64)
    spectral: bool = False

    @nn.compact
    def __call__(self, x: Float[Array, "batch features"]) -> Float[Array, "batch 1"]:
        """A number for each row: the pixels of an image, then a condition c, if any.

        With a condition it is w·h + b + (V c)·h of the convolutions' output h: each class has
        weights of its own (a projection; Miyato, Koyama 2018).
        """
        size = math.prod(self.shape)
        condition, h = x[:, size:], x[:, :size].reshape(-1, *self.shape)
        for features in self.channels:
            convolution = Conv(features, WINDOW, strides=2, padding=1)
            h = nn.leaky_relu(self._layer(convolution, h), 0.2)
        h = h.reshape(len(h), -1)
        output = self._layer(nn.Dense(1), h)
        if condition.size:
            class_weights = self._layer(nn.Dense(h.shape[1], use_bias=False), condition)
            output += (class_weights * h).sum(axis=1, keepdims=True)
        return output

    def _layer(self, layer: nn.Module, x: Array) -> Array:
        if not self.spectral:
            return layer(x)
        return nn.SpectralNorm(layer)(x, update_stats=self.is_mutable_collection("batch_stats"))
