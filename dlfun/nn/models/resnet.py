"""ResNet: blocks that compute a residual to add to their input (He, Zhang, Ren & Sun, 2016).

"Deep residual learning for image recognition". Plain networks became worse with depth, on the
training set too; with y = x + F(x) a superfluous layer need only learn F = 0. It won ImageNet 2015
at 3.57 % top-5 error with 152 layers. "Identity mappings in deep residual networks" (the same
authors, 2016) moves norm and ReLU before the convolutions, so that the path of the sum is free of
them; [T5, ch. 4] describes this form.
"""

from typing import Any, Literal

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from dlfun.nn.initializers import he
from dlfun.nn.layers.dense import dense
from dlfun.nn.layers.normalization import BatchNorm
from dlfun.nn.layers.pooling import Pool, global_avg_pool, max_pool
from dlfun.nn.models.blocks import Weights, he_conv

STAGES = {
    18: (False, (2, 2, 2, 2)),
    34: (False, (3, 4, 6, 3)),
    50: (True, (3, 4, 6, 3)),
    101: (True, (3, 4, 23, 3)),
    152: (True, (3, 8, 36, 3)),
}
"""Blocks by depth: True for bottlenecks, and the number of blocks in each stage."""


class Residual(nn.Module):
    """Block x + F(x), where F is two 3×3 convolutions, or 1×1, 3×3, 1×1 for a bottleneck.

    A bottleneck's last convolution is four times as wide. Its stride is that of the 3×3 convolution
    (in the paper, of the first, which is a little less accurate). For the attributes see `ResNet`.
    """

    features: int
    strides: int = 1
    bottleneck: bool = False
    shortcut: Literal["A", "B"] = "B"
    preactivation: bool = False
    zero_last: bool = False
    first: bool = False
    """True if norm and ReLU precede the block, for residual and shortcut (their appendix)."""

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width in"], training: Weights = None
    ) -> Float[Array, "batch out_height out_width out"]:
        """Output of the block, after a ReLU unless it is pre-activated."""
        width = self.features
        layers = [(width, 3, self.strides), (width, 3, 1)]
        if self.bottleneck:
            layers = [(width, 1, 1), (width, 3, self.strides), (4 * width, 1, 1)]
        last = len(layers) - 1
        # A pre-activated block's identity branches off before norm and ReLU, a projection after.
        activated = self.first or not self.preactivation
        start = x if activated else nn.relu(BatchNorm()(x, training))
        y = start
        for i, layer in enumerate(layers):
            zero = self.zero_last and i == last
            if self.preactivation:
                y = nn.relu(BatchNorm()(y, training)) if i else y
                y = he_conv(y, *layer, kernel_init=nn.initializers.zeros if zero else he)
            else:
                y = BatchNorm(zero_scale=zero)(he_conv(y, *layer), training)
                y = nn.relu(y) if i < last else y
        if x.shape != y.shape:
            x = self._changed(start, y.shape[-1], training)
        return x + y if self.preactivation else nn.relu(x + y)

    def _changed(self, x: Array, features: int, training: Weights) -> Array:
        """Shortcut where the shape changes: A pads with zero channels, B projects."""
        if self.shortcut == "A":
            missing = features - x.shape[-1]
            sides = (missing // 2, missing - missing // 2)
            return jnp.pad(x[:, :: self.strides, :: self.strides], [(0, 0)] * 3 + [sides])
        x = he_conv(x, features, 1, self.strides)
        return x if self.preactivation else BatchNorm()(x, training)


class ResNet(nn.Module):
    """Stem, stages of residual blocks at half the size of the stage before, and logits.

    Attributes:
        stages: blocks in each stage.
        widths: channels in each stage, before a bottleneck's widening.
        bottleneck: True for blocks of 1×1, 3×3, 1×1 convolutions, False for two 3×3.
        small: True for a stem of one 3×3 convolution, for images of about 32×32, False for 7×7 at
            stride 2 and pooling.
        shortcut: shortcut where the shape changes: "A" pads with zeros, "B" projects.
        preactivation: True for norm and ReLU before each convolution, and once more at the end.
        zero_last: True if blocks start as the identity: the scale of the last norm (with
            preactivation, the kernel of the last convolution) starts at 0 (Goyal et al., 2017).
    """

    classes: int = 1000
    stages: tuple[int, ...] = (2, 2, 2, 2)
    widths: tuple[int, ...] = (64, 128, 256, 512)
    bottleneck: bool = False
    small: bool = False
    shortcut: Literal["A", "B"] = "B"
    preactivation: bool = False
    zero_last: bool = False

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width in"], training: Weights = None
    ) -> Float[Array, "batch classes"]:
        """Logits of images."""
        x = he_conv(x, self.widths[0]) if self.small else he_conv(x, self.widths[0], 7, 2)
        x = nn.relu(BatchNorm()(x, training))
        x = x if self.small else Pool(max_pool, 3, 2, 1)(x)
        for stage, (blocks, width) in enumerate(zip(self.stages, self.widths, strict=True)):
            for block in range(blocks):
                x = Residual(
                    width,
                    2 if stage and not block else 1,
                    self.bottleneck,
                    self.shortcut,
                    self.preactivation,
                    self.zero_last,
                    first=not stage and not block,
                )(x, training)
        x = nn.relu(BatchNorm()(x, training)) if self.preactivation else x
        return dense(global_avg_pool(x), self.classes)


def resnet(depth: int = 18, classes: int = 1000, **options: Any) -> ResNet:
    """The paper's networks for images of 224×224; `options` as in `ResNet`.

    ResNet-18, 34, 50, 101 and 152 have 11,689,512, 21,797,672, 25,557,032, 44,549,160 and
    60,192,808 parameters.

    Raises:
        ValueError: an unknown depth.
    """
    if depth not in STAGES:
        raise ValueError(f"ResNet has {', '.join(map(str, STAGES))} layers, not {depth}")
    bottleneck, stages = STAGES[depth]
    return ResNet(classes, stages, bottleneck=bottleneck, **options)


def resnet_small(
    depth: int = 20,
    classes: int = 10,
    widths: tuple[int, int, int] = (16, 32, 64),
    shortcut: Literal["A", "B"] = "A",
    **options: Any,
) -> ResNet:
    """The paper's CIFAR networks of 6n + 2 layers: 20, 32, 44, 56, 110 (its sec. 4.2).

    ResNet-20 has 0.27 million parameters, ResNet-110 1.7.

    Raises:
        ValueError: a depth that is not 6n + 2.
    """
    n, rest = divmod(depth - 2, 6)
    if rest or n < 1:
        raise ValueError(f"a small ResNet has 6n + 2 layers (20, 32, 44, 56, 110), not {depth}")
    return ResNet(classes, (n, n, n), widths, small=True, shortcut=shortcut, **options)
