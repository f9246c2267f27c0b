"""LeNet-5, a convolutional network that read cheques (LeCun, Bottou, Bengio & Haffner, 1998).

"Gradient-based learning applied to document recognition", Proc. IEEE 86(11). Alternating
convolution and subsampling, trained as a whole by backpropagation: 0.95 % error on MNIST, 0.8 %
with distorted copies of the training set.
"""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import DTypeLike
from jaxtyping import Float, Key

from dlfun.nn.layers.conv import Conv, conv
from dlfun.nn.layers.dense import dense
from dlfun.nn.layers.pooling import Pool, avg_pool

TABLE = [
    *([i, (i + 1) % 6, (i + 2) % 6] for i in range(6)),
    *([i, (i + 1) % 6, (i + 2) % 6, (i + 3) % 6] for i in range(6)),
    [0, 1, 3, 4],
    [1, 2, 4, 5],
    [0, 2, 3, 5],
    [0, 1, 2, 3, 4, 5],
]
"""Maps of S2 (of 6) that each of the 16 maps of C3 reads, the paper's Table I. The choice breaks
symmetry and saves connections."""


class LeNet5(nn.Module):
    """LeNet-5 as published: 60,000 parameters before the output layer, images of 28×28 or 32×32.

    C1 6@28×28 → S2 6@14×14 → C3 16@10×10 (by `TABLE`) → S4 16@5×5 → C5 120 → F6 84 → classes. Every
    layer but the last is squashed by 1.7159 tanh(2x/3). Images of 28×28 are padded to 32×32 with 0.
    The paper's output layer is radial basis functions around fixed bitmaps of the characters, 84
    pixels each; here it is a dense layer, trained by cross entropy. Weights start from
    U(±2.4/F_in), as in the paper's Appendix A.

    Raises:
        ValueError: images of another size.
    """

    classes: int = 10

    @nn.compact
    def __call__(self, x: Float[Array, "batch height width in"]) -> Float[Array, "batch classes"]:
        """Logits of images; in the paper the background is about -0.1 and ink about 1.175."""
        if x.shape[1:3] not in ((28, 28), (32, 32)):
            raise ValueError(f"LeNet-5 reads images of 28x28 or 32x32, not {x.shape[1:3]}")
        padding = (32 - x.shape[1]) // 2
        x = squash(Conv(6, (5, 5), 1, padding, kernel_init=narrow, bias_init=_zeros, name="C1")(x))
        x = squash(Subsampling(name="S2")(x))
        x = squash(TableConv(name="C3")(x))
        x = squash(Subsampling(name="S4")(x))
        x = Conv(120, (5, 5), 1, 0, kernel_init=narrow, bias_init=_zeros, name="C5")(x)
        x = squash(x).reshape(len(x), -1)
        x = squash(nn.Dense(84, kernel_init=narrow, name="F6")(x))
        return nn.Dense(self.classes, kernel_init=narrow, name="output")(x)


class LeNet(nn.Module):
    """LeNet-5 as usual today: ReLU, max-pooling, and a C3 in which all maps read all of S2.

    It has 61,706 parameters for images of 28×28×1 and 10 classes.
    """

    classes: int = 10

    @nn.compact
    def __call__(self, x: Float[Array, "batch height width in"]) -> Float[Array, "batch classes"]:
        """Logits of images."""
        x = nn.relu(Pool()(Conv(6, (5, 5), 1, 2)(x)))
        x = nn.relu(Pool()(Conv(16, (5, 5), 1, "VALID")(x)))
        x = x.reshape(len(x), -1)
        for features in (120, 84):
            x = nn.relu(dense(x, features))
        return dense(x, self.classes)


class Subsampling(nn.Module):
    """Mean of each 2×2 square, times a coefficient, plus a bias, which each map has.

    The paper takes the sum instead, with a coefficient of a quarter of ours, which starts at 1.
    """

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width channels"]
    ) -> Float[Array, "batch out_height out_width channels"]:
        """Halve the size of x."""
        coefficient = self.param("coefficient", nn.initializers.ones, x.shape[-1:])
        bias = self.param("bias", _zeros, x.shape[-1:])
        return Pool(avg_pool)(x) * coefficient + bias


class TableConv(nn.Module):
    """Convolution by 5×5 whose maps read the input's maps in `TABLE`, of 1,516 parameters."""

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width 6"]
    ) -> Float[Array, "batch out_height out_width 16"]:
        """Convolve x without padding."""
        pairs = [(source, target) for target, sources in enumerate(TABLE) for source in sources]
        sources, targets = np.array(pairs).T
        fan_in = 25 * np.array([len(TABLE[target]) for target in targets])

        def start(key: Key[Array, ""], shape: tuple[int, ...]) -> Array:
            bound = 2.4 / jnp.asarray(fan_in, jnp.float32)
            return jax.random.uniform(key, shape, minval=-bound, maxval=bound)

        weights = self.param("kernel", start, (5, 5, len(pairs)))
        bias = self.param("bias", _zeros, (len(TABLE),))
        kernel = jnp.zeros((5, 5, 6, len(TABLE)), weights.dtype)
        return conv(x, kernel.at[:, :, sources, targets].set(weights), bias, padding="VALID")


def squash(x: Array) -> Array:
    """Activation 1.7159 tanh(2x/3), which is ±1 at ±1, where its slope changes fastest."""
    return 1.7159 * jnp.tanh(x * (2 / 3))


def narrow(key: Key[Array, ""], shape: tuple[int, ...], dtype: DTypeLike = jnp.float32) -> Array:
    """Initializer from U(±2.4/F_in)."""
    bound = 2.4 / math.prod(shape[:-1])
    return jax.random.uniform(key, shape, dtype, -bound, bound)


_zeros = nn.initializers.zeros
