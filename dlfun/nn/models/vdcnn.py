"""Very deep convolutional networks of characters (Conneau, Schwenk, Barrault & LeCun 2017)."""

from typing import Literal

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int, UInt8

from dlfun.nn.initializers import he
from dlfun.nn.layers.conv import Conv
from dlfun.nn.layers.normalization import BatchNorm
from dlfun.nn.layers.pooling import Pool, k_max_pool, max_pool
from dlfun.nn.models.blocks import Weights

BLOCKS = {9: (1, 1, 1, 1), 17: (2, 2, 2, 2), 29: (5, 5, 2, 2), 49: (8, 8, 5, 3)}
"""Blocks with 1, 2, 4 and 8 times `width` channels by depth: the convolutions, the first included
(their Table 2)."""
Pooling = Literal["convolution", "k_max", "max"]
KEPT = 8
"""Values of each channel that the last pooling keeps."""


def temporal(
    x: Float[Array, "batch time in"], features: int, window: int = 3, strides: int = 1
) -> Float[Array, "batch out_time features"]:
    """Convolution over time without bias; kernels start by He's scheme."""
    return Conv(features, (window,), strides, window // 2, use_bias=False, kernel_init=he)(x)


class Block(nn.Module):
    """Two convolutions of 3, each with batch normalization and ReLU.

    With a shortcut it is ReLU(x + F(x)), F without the last ReLU; where the shape changes, x passes
    a convolution of 1 and batch normalization first.
    """

    features: int
    strides: int = 1
    shortcut: bool = False

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch time in"], training: Weights = None
    ) -> Float[Array, "batch out_time out"]:
        """The block's output."""
        y = BatchNorm()(temporal(x, self.features, strides=self.strides), training)
        y = BatchNorm()(temporal(nn.relu(y), self.features), training)
        if self.shortcut:
            if x.shape != y.shape:
                x = BatchNorm()(temporal(x, self.features, 1, self.strides), training)
            y = x + y
        return nn.relu(y)


class VDCNN(nn.Module):
    """Vectors of characters, blocks at full, half, fourth and eighth length, dense layers: logits.

    Attributes:
        classes: number of classes.
        tokens: number of different characters, with padding and unknown ones.
        depth: 9, 17, 29 or 49 convolutions.
        shortcuts: whether blocks have shortcuts.
        pooling: how the length is halved: by the stride of a convolution, by the largest half of
            each channel's values in order of time, or by the maximum of 3 at stride 2.
        width: channels of the first blocks; they double as the length halves.
        hidden: units of both hidden layers.
        embedding: numbers that stand for a character.
    """

    classes: int
    tokens: int
    depth: int = 9
    shortcuts: bool = False
    pooling: Pooling = "max"
    width: int = 64
    hidden: int = 2048
    embedding: int = 16

    @nn.compact
    def __call__(
        self,
        x: UInt8[Array, "batch length"] | Int[Array, "batch length"],
        training: Weights = None,
    ) -> Float[Array, "batch classes"]:
        """Logits; `training` is the weight of each text, None in evaluation.

        Raises ValueError for an unknown depth, and where a text is too short: 64 characters is the
        least.
        """
        if self.depth not in BLOCKS:
            raise ValueError(f"VDCNN has {', '.join(map(str, BLOCKS))} layers, not {self.depth}")
        y = nn.Embed(self.tokens, self.embedding)(x.astype(jnp.int32))
        y = temporal(y, self.width)
        for stage, blocks in enumerate(BLOCKS[self.depth]):
            y = self._halve(y) if stage else y
            for block in range(blocks):
                by_stride = self.pooling == "convolution" and stage and not block
                strides = 2 if by_stride else 1
                y = Block(self.width * 2**stage, strides, self.shortcuts)(y, training)
        y = k_max_pool(y, KEPT).reshape(len(y), -1)
        for _ in range(2):
            y = nn.relu(nn.Dense(self.hidden, kernel_init=he)(y))
        return nn.Dense(self.classes)(y)

    def _halve(self, x: Array) -> Array:
        if self.pooling == "k_max":
            return k_max_pool(x, x.shape[1] // 2)
        return Pool(max_pool, 3, 2, 1)(x) if self.pooling == "max" else x
