"""VGG: deep networks of 3×3 convolutions alone (Simonyan & Zisserman, 2015).

"Very deep convolutional networks for large-scale image recognition". Two 3×3 layers have the
receptive field of a 5×5 layer, three that of a 7×7, with fewer parameters and more ReLUs. It was
second in ImageNet 2014 at 7.3 % top-5 error.
"""

import flax.linen as nn
from jax import Array
from jaxtyping import Float

from dlfun.nn.layers.normalization import BatchNorm
from dlfun.nn.layers.pooling import Pool
from dlfun.nn.models.blocks import Weights, he_conv, head

BLOCKS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
"""Convolutions in each block, by the number of layers with weights."""


class VGG(nn.Module):
    """Blocks of 3×3 convolutions, each ending in 2×2 max-pooling, then dense layers with dropout.

    Attributes:
        blocks: convolutions in each block.
        widths: channels in each block.
        hidden: widths of the hidden dense layers.
        norm: True for batch normalization after each convolution (which is newer than the paper).
        rate: dropout rate after each hidden layer.
    """

    classes: int = 1000
    blocks: tuple[int, ...] = BLOCKS[16]
    widths: tuple[int, ...] = (64, 128, 256, 512, 512)
    hidden: tuple[int, ...] = (4096, 4096)
    norm: bool = False
    rate: float | Array = 0.5

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width in"], training: Weights = None
    ) -> Float[Array, "batch classes"]:
        """Logits of images. Raises ValueError for images too small for the poolings."""
        for layers, width in zip(self.blocks, self.widths, strict=True):
            for layer in range(layers):
                x = he_conv(x, width, use_bias=True)
                x = BatchNorm()(x, training) if self.norm else x
                # ReLU is monotonic, so it may follow the maximum, for a quarter of the work.
                x = nn.relu(x if layer < layers - 1 else Pool()(x))
        return head(x, training, self.hidden, self.classes, self.rate)


def vgg(depth: int = 16, classes: int = 1000, norm: bool = False) -> VGG:
    """The paper's networks for images of 224×224.

    VGG-11, 13, 16 and 19 (its configurations A, B, D, E) have 132,863,336, 133,047,848, 138,357,544
    and 143,667,240 parameters.

    Raises:
        ValueError: an unknown depth.
    """
    if depth not in BLOCKS:
        raise ValueError(f"VGG has {', '.join(map(str, BLOCKS))} layers, not {depth}")
    return VGG(classes, BLOCKS[depth], norm=norm)


def vgg_small(
    classes: int = 10,
    width: int = 32,
    rate: float | Array = 0.3,
    blocks: tuple[int, ...] = (2, 2, 2),
    norm: bool = True,
) -> VGG:
    """VGG for images of about 28×28: few blocks, each twice as wide as the last."""
    widths = tuple(width * 2**block for block in range(len(blocks)))
    return VGG(classes, blocks, widths, widths[-1:], norm, rate)
