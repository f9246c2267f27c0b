"""Layers some of whose weights are fixed at 0, so that outputs depend on given inputs alone."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from dlfun.nn.initializers import SCHEMES, Initializer
from dlfun.nn.layers.conv import conv


class MaskedDense(nn.Module):
    """x (W ∘ M) + b: output j depends on the inputs i where M is True.

    Attributes:
        mask: M [inputs, outputs].
        kernel_init: where W starts; b starts at 0.
    """

    mask: Bool[np.ndarray, "inputs outputs"]
    kernel_init: Initializer = SCHEMES["glorot"]

    @nn.compact
    def __call__(self, x: Float[Array, "batch inputs"]) -> Float[Array, "batch outputs"]:
        """The layer's output."""
        kernel = self.param("kernel", self.kernel_init, self.mask.shape)
        bias = self.param("bias", nn.initializers.zeros, self.mask.shape[1:])
        return x @ jnp.where(self.mask, kernel, 0) + bias


class MaskedConv(nn.Module):
    """A convolution that reads the positions before its own in the order of rows.

    Beyond the image there are zeros (van den Oord et al. 2016, sec. 3.4).

    Attributes:
        inputs: input channels.
        features: output channels.
        size: width and height of the window, an odd number.
        include_center: True if the position itself is read, too (mask B); the first layer omits it.
        dilation: distance between two positions of the window.
    """

    inputs: int
    features: int
    size: int = 3
    include_center: bool = True
    dilation: int = 1

    @property
    def reach(self) -> int:
        """Positions from the center to the end of the window."""
        return self.size // 2 * self.dilation

    def setup(self) -> None:
        shape = (self.size, self.size, self.inputs, self.features)
        self.kernel = self.param("kernel", SCHEMES["he"], shape)
        self.bias = self.param("bias", nn.initializers.zeros, (self.features,))
        read = np.arange(self.size**2) < self.size**2 // 2 + self.include_center
        self.mask = read.reshape(self.size, self.size, 1, 1)

    def __call__(
        self, x: Float[Array, "batch height width inputs"]
    ) -> Float[Array, "batch height width features"]:
        """The layer's output at all positions."""
        return conv(x, self._masked(), self.bias, dilation=self.dilation)

    def at(
        self, x: Float[Array, "batch height width inputs"], row: Any, column: Any
    ) -> Float[Array, "batch features"]:
        """The layer's output at one position; x is padded by `reach` zeros on each side."""
        side = 2 * self.reach + 1
        window = jax.lax.dynamic_slice(x, (0, row, column, 0), (len(x), side, side, self.inputs))
        read = window[:, :: self.dilation, :: self.dilation].reshape(len(x), -1)
        return read @ self._masked().reshape(-1, self.features) + self.bias

    def _masked(self) -> Array:
        return jnp.where(self.mask, self.kernel, 0)
