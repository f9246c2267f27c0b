"""Networks of binary images whose logit of each pixel depends on the pixels before it alone.

The order of pixels is that of rows, from the top left. Each maps pixels to logits,
[batch, pixels] → [batch, pixels].
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from dlfun.nn.initializers import SCHEMES
from dlfun.nn.layers.masked import MaskedConv, MaskedDense


class MaskedMLP(nn.Module):
    """MADE (Germain et al. 2015): an MLP of ReLUs whose weights are masked.

    Each hidden unit has a degree d, spread evenly over 1 … D − 1, and reads units of lower layers
    of degree ≤ d; the degree of pixel i is i; its logit reads units of degree < i, and the pixels
    before it directly (sec. 4.1 there). Without a hidden layer that is all: the fully visible
    sigmoid belief network, logistic regression of each pixel on those before it (Frey et al. 1996).

    Attributes:
        hidden: widths of the hidden layers.
    """

    hidden: Sequence[int] = ()

    @nn.compact
    def __call__(self, x: Float[Array, "batch pixels"]) -> Float[Array, "batch pixels"]:
        """The logits."""
        *below, output = masks(x.shape[1], self.hidden)
        (direct,) = masks(x.shape[1], ())
        logits, h = MaskedDense(direct)(x), x
        for mask in below:
            h = nn.relu(MaskedDense(mask, SCHEMES["he"])(h))
        return logits + MaskedDense(output)(h) if below else logits


def masks(pixels: int, hidden: Sequence[int]) -> list[Bool[np.ndarray, "inputs outputs"]]:
    """The masks of a `MaskedMLP`'s layers: True where a unit of a layer reads one below."""
    degrees = [np.arange(1.0, pixels + 1)]
    degrees += [np.linspace(1, max(pixels - 1, 1), width).round() for width in hidden]
    inner = [a[:, None] <= b for a, b in pairwise(degrees)]
    return [*inner, degrees[-1][:, None] < degrees[0]]


class NADE(nn.Module):
    """The neural autoregressive distribution estimator (Larochelle, Murray 2011).

    h_i = σ(c + Σ_{j<i} x_j W_j), logit_i = b_i + V_i · h_i. The sum grows by a term a pixel, so the
    logits of D pixels cost D sigmoids of the hidden layer and no product of matrices more.

    Attributes:
        pixels: numbers of an image.
        hidden: units of each h_i.
    """

    pixels: int = 784
    hidden: int = 500

    def setup(self) -> None:
        shape, zeros = (self.pixels, self.hidden), nn.initializers.zeros
        self.kernel = self.param("kernel", SCHEMES["glorot"], shape)
        self.hidden_bias = self.param("hidden_bias", zeros, (self.hidden,))
        self.output = self.param("output", SCHEMES["glorot"], shape)
        self.bias = self.param("bias", zeros, (self.pixels,))

    def __call__(self, x: Float[Array, "batch pixels"]) -> Float[Array, "batch pixels"]:
        """The logits."""

        @jax.checkpoint  # The hidden layers of all pixels would not fit in memory.
        def step(before: Array, inputs: tuple[Array, Array, Array]) -> tuple[Array, Array]:
            pixel, row, column = inputs
            logit = jax.nn.sigmoid(before) @ column
            return before + pixel[:, None] * row, logit

        _, logits = jax.lax.scan(step, self._first(len(x)), (x.T, self.kernel, self.output))
        return logits.T + self.bias

    def draw(
        self, x: Float[Array, "batch pixels"], key: Array, first: int = 0
    ) -> Float[Array, "batch pixels"]:
        """Draw as `density.draw` does, but carry the sum from pixel to pixel."""

        def step(before: Array, inputs: tuple[Array, ...]) -> tuple[Array, Array]:
            number, given, row, column, bias = inputs
            logit = jax.nn.sigmoid(before) @ column + bias
            pixel = jnp.where(number < first, given, draw_pixel(key, number, logit))
            return before + pixel[:, None] * row, pixel

        numbers = jnp.arange(self.pixels)
        inputs = (numbers, x.T, self.kernel, self.output, self.bias)
        return jax.lax.scan(step, self._first(len(x)), inputs)[1].T

    def _first(self, rows: int) -> Float[Array, "batch hidden"]:
        return jnp.broadcast_to(self.hidden_bias, (rows, self.hidden))


class PixelCNN(nn.Module):
    """Masked convolutions in residual blocks (van den Oord et al. 2016, fig. 5, one grey channel).

    A convolution of 7×7 with mask A, then blocks h + E(σ(C(σ(R(σ(h)))))) with R and E of 1×1, C of
    3×3 with mask B and half the channels, then two of 1×1; σ is ReLU. Dilation widens the window
    of what a pixel depends on at no cost (Yu, Koltun 2016); the paper has none.

    Attributes:
        shape: height and width of the images, which come as rows of pixels.
        channels: channels of h.
        dilations: distance between the positions that C of each residual block reads.
    """

    shape: tuple[int, int] = (28, 28)
    channels: int = 64
    dilations: Sequence[int] = (1, 2, 4, 2, 1)

    def setup(self) -> None:
        half, he = self.channels // 2, SCHEMES["he"]
        self.first = MaskedConv(1, self.channels, 7, include_center=False)
        self.reduce = [nn.Dense(half, kernel_init=he) for _ in self.dilations]
        self.middle = [MaskedConv(half, half, dilation=d) for d in self.dilations]
        self.expand = [nn.Dense(self.channels, kernel_init=he) for _ in self.dilations]
        self.head = nn.Dense(2 * self.channels, kernel_init=he)
        self.output = nn.Dense(1)

    def __call__(self, x: Float[Array, "batch pixels"]) -> Float[Array, "batch pixels"]:
        """The logits."""
        h = self.first(x.reshape(-1, *self.shape, 1))
        for reduce, middle, expand in self._blocks():
            h = h + expand(nn.relu(middle(nn.relu(reduce(nn.relu(h))))))
        return self._logits(h).reshape(x.shape)

    def draw(
        self, x: Float[Array, "batch pixels"], key: Array, first: int = 0
    ) -> Float[Array, "batch pixels"]:
        """Draw as `density.draw` does, but compute each layer once at each position.

        The loop carries the arrays that later positions read: the pixels and the inputs of each C.
        """
        (height, width), half = self.shape, self.channels // 2
        image = jnp.zeros((len(x), height + 6, width + 6, 1))
        kept = [
            jnp.zeros((len(x), height + 2 * c.reach, width + 2 * c.reach, half))
            for c in self.middle
        ]

        def step(carry: Any, inputs: tuple[Array, Array]) -> tuple[Any, Array]:
            image, kept = carry
            number, given = inputs
            row, column = number // width, number % width
            h, new = self.first.at(image, row, column), []
            for array, (reduce, middle, expand) in zip(kept, self._blocks(), strict=True):
                reach = middle.reach
                array = array.at[:, row + reach, column + reach].set(nn.relu(reduce(nn.relu(h))))
                h = h + expand(nn.relu(middle.at(array, row, column)))
                new.append(array)
            pixel = draw_pixel(key, number, self._logits(h)[:, 0])
            pixel = jnp.where(number < first, given, pixel)
            return (image.at[:, row + 3, column + 3, 0].set(pixel), new), pixel

        return jax.lax.scan(step, (image, kept), (jnp.arange(height * width), x.T))[1].T

    def _blocks(self) -> Any:
        return zip(self.reduce, self.middle, self.expand, strict=True)

    def _logits(self, h: Float[Array, "*positions channels"]) -> Float[Array, "*positions 1"]:
        return self.output(nn.relu(self.head(nn.relu(h))))


def draw_pixel(
    key: Array, number: Int[Array, ""], logit: Float[Array, " batch"]
) -> Float[Array, " batch"]:
    """Pixel `number` of each image, 1 with probability σ(logit), else 0."""
    on = jax.random.bernoulli(jax.random.fold_in(key, number), jax.nn.sigmoid(logit))
    return on.astype(logit.dtype)
