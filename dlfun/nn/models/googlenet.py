"""GoogLeNet, the Inception network (Szegedy et al., 2015).

"Going deeper with convolutions". Each module applies windows of several sizes in parallel, after
1×1 convolutions that make them cheap, and a global average replaces the hidden dense layers. It won
ImageNet 2014 at 6.7 % top-5 error with a twelfth of AlexNet's parameters. Batch normalization was
added a year later (Ioffe & Szegedy, 2015).
"""

from functools import partial
from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from dlfun.errors import with_layer_path
from dlfun.nn.layers.dense import dense
from dlfun.nn.layers.dropout import Dropout
from dlfun.nn.layers.normalization import BatchNorm
from dlfun.nn.layers.pooling import Pool, global_avg_pool, max_pool, spatial_pyramid
from dlfun.nn.losses import Heads
from dlfun.nn.models.blocks import Weights, he_conv


class Widths(NamedTuple):
    """Channels of an Inception module, in the order of the columns of the paper's Table 1."""

    one: int
    reduce_three: int
    three: int
    reduce_five: int
    five: int
    pool: int


STAGES = (
    (Widths(64, 96, 128, 16, 32, 32), Widths(128, 128, 192, 32, 96, 64)),
    (
        Widths(192, 96, 208, 16, 48, 64),
        Widths(160, 112, 224, 24, 64, 64),
        Widths(128, 128, 256, 24, 64, 64),
        Widths(112, 144, 288, 32, 64, 64),
        Widths(256, 160, 320, 32, 128, 128),
    ),
    (Widths(256, 160, 320, 32, 128, 128), Widths(384, 192, 384, 48, 128, 128)),
)
"""Modules 3a, 3b; 4a to 4e; 5a, 5b."""
HEADS = ((-2, 0), (-2, 3))
"""Stage, counted from the end, and module of each auxiliary head: 4a and 4d."""


class GoogLeNet(nn.Module):
    """Stem, nine Inception modules with pooling between stages, global average, logits.

    It has 6,624,904 parameters without auxiliary heads, for images of 224×224.

    Attributes:
        auxiliary: True for two more classifiers, on 4a and 4d, against vanishing gradients. While
            training the model then returns `Heads`, whose auxiliary losses have weight 0.3.
        five: window of the third branch. The paper's is 5; that of the common implementation with
            batch norm, which has the parameter count above, is 3.
        small: True for a stem of one 3×3 convolution, for images of about 28×28.
        divide: divisor of all numbers of channels, for a thinner network.
        stages: channels of the modules; all stages but the first begin with pooling. The auxiliary
            heads are on the first and fourth module of the last stage but one.
        rate: dropout rate before the logits.
        auxiliary_rate: dropout rate in the auxiliary heads.
    """

    classes: int = 1000
    auxiliary: bool = True
    five: int = 3
    small: bool = False
    divide: int = 1
    stages: tuple[tuple[Widths, ...], ...] = STAGES
    rate: float | Array = 0.2
    auxiliary_rate: float | Array = 0.7

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width in"], training: Weights = None
    ) -> Float[Array, "batch classes"] | Heads:
        """Logits of images; while training with auxiliary heads, `Heads`."""
        unit = partial(_unit, training=training)
        if self.small:
            x = unit(x, 192 // self.divide)
        else:
            x = _halve(unit(x, 64 // self.divide, 7, 2), 3)
            x = unit(x, 64 // self.divide, 1)
            x = _halve(unit(x, 192 // self.divide), 3)
        heads = []
        for stage, modules in enumerate(self.stages):
            if stage:
                x = _halve(x, 3 if stage == 1 else 2)
            for module, widths in enumerate(modules):
                thin = Widths(*(width // self.divide for width in widths))
                x = Inception(thin, self.five)(x, training)
                # All heads get parameters, though evaluation uses the main one alone.
                needed = training is not None or self.is_initializing()
                if self.auxiliary and needed and (stage - len(self.stages), module) in HEADS:
                    head = Auxiliary(self.classes, self.divide, self.auxiliary_rate)
                    heads.append(head(x, training))
        x = Dropout(self.rate)(global_avg_pool(x), training)
        logits = dense(x, self.classes)
        return logits if training is None or not heads else Heads(logits, tuple(heads))


def googlenet_small(
    classes: int = 10,
    divide: int = 4,
    auxiliary: bool = True,
    rate: float | Array = 0.2,
    modules: tuple[int, int, int] = (2, 5, 2),
) -> GoogLeNet:
    """GoogLeNet for images of about 28×28: one convolution, pooling, and thinner modules.

    `modules` are the numbers of modules in each stage, on maps of 14×14, 7×7 and 4×4.
    """
    stages = tuple(stage[:n] for stage, n in zip(STAGES, modules, strict=True))
    return GoogLeNet(classes, auxiliary, small=True, divide=divide, stages=((), *stages), rate=rate)


class Inception(nn.Module):
    """Parallel 1×1, 3×3 and 5×5 convolutions and 3×3 max-pooling of one input."""

    widths: Widths
    five: int

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width in"], training: Weights = None
    ) -> Float[Array, "batch height width out"]:
        """Concatenate the branches' channels, in the paper's order."""
        unit, widths = partial(_unit, training=training), self.widths
        one = unit(x, widths.one, 1)
        three = unit(unit(x, widths.reduce_three, 1), widths.three)
        five = unit(unit(x, widths.reduce_five, 1), widths.five, self.five)
        pool = unit(Pool(max_pool, 3, 1, 1)(x), widths.pool, 1)
        return jnp.concatenate([one, three, five, pool], axis=-1)


class Auxiliary(nn.Module):
    """Auxiliary head: average over 4×4 bins, 1×1 convolution to 128, dense 1024, dropout, dense."""

    classes: int
    divide: int
    rate: float | Array

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width in"], training: Weights = None
    ) -> Float[Array, "batch classes"]:
        """Logits. Raises ValueError for maps smaller than 4×4."""
        n, channels = len(x), x.shape[-1]
        with with_layer_path(self):
            x = spatial_pyramid(x, (4,), global_avg_pool).reshape(n, 4, 4, channels)
        x = _unit(x, 128 // self.divide, 1, training=training).reshape(n, -1)
        x = Dropout(self.rate)(nn.relu(dense(x, 1024 // self.divide)), training)
        return dense(x, self.classes)


def _unit(
    x: Array, features: int, window: int = 3, strides: int = 1, *, training: Weights
) -> Array:
    """Convolution, batch norm, ReLU."""
    return nn.relu(BatchNorm(epsilon=1e-3)(he_conv(x, features, window, strides), training))


def _halve(x: Array, window: int) -> Array:
    """Max-pooling at stride 2, padded only at the end, so that no pixel is left out."""
    padding = [(0, max(window - size, (size - window) % 2)) for size in x.shape[1:3]]
    return Pool(max_pool, window, 2, padding)(x)
