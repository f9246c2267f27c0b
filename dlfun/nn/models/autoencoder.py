"""Autoencoders: an encoder to a code of few numbers, and a decoder back to the input."""

import math
from collections.abc import Sequence
from functools import partial

import flax.linen as nn
from jaxtyping import Array, Float

from dlfun.nn.activations import ACTIVATIONS
from dlfun.nn.initializers import SCHEMES
from dlfun.nn.layers.conv import Conv
from dlfun.nn.layers.conv_transpose import ConvTranspose


class Autoencoder(nn.Module):
    """Dense layers from the input to a code, and as many of the same widths back.

    Encoder h ← σ(h W + b), decoder h ← σ(h V + c). The last layer of each has no activation: the
    code is linear unless `code_activation` is given, and the output may be a pixel or its logit.

    Attributes:
        sizes: numbers of units from the input to the code: (784, 1000, 500, 250, 30) has eight
            layers (Hinton, Salakhutdinov 2006). Inputs are flattened.
        activation: a name in `ACTIVATIONS`.
        code_activation: that of the code, or None.
        tied: True if each V is the transpose of the encoder's W between the same layers.
        scheme: a name in `SCHEMES` from which kernels start; biases start at 0.
    """

    sizes: Sequence[int]
    activation: str = "relu"
    code_activation: str | None = None
    tied: bool = False
    scheme: str = "glorot"

    def setup(self) -> None:
        layer = partial(nn.Dense, kernel_init=SCHEMES[self.scheme])
        back = self.sizes[-2::-1]
        self.encoder = [layer(width) for width in self.sizes[1:]]
        if self.tied:
            zeros = nn.initializers.zeros
            self.biases = [
                self.param(f"decoder_{n}_bias", zeros, (width,)) for n, width in enumerate(back)
            ]
        else:
            self.decoder = [layer(width) for width in back]

    def __call__(self, x: Float[Array, "batch *features"]) -> Float[Array, "batch inputs"]:
        """The decoder's output for the code of x."""
        return self.decode(self.encode(x))

    def encode(self, x: Float[Array, "batch *features"]) -> Float[Array, "batch code"]:
        """The code of x."""
        h = x.reshape(len(x), -1)
        for layer in self.encoder[:-1]:
            h = ACTIVATIONS[self.activation].function(layer(h))
        code = self.encoder[-1](h)
        return ACTIVATIONS[self.code_activation].function(code) if self.code_activation else code

    def decode(self, code: Float[Array, "batch code"]) -> Float[Array, "batch inputs"]:
        """The output for a code."""
        h = code
        for number in range(len(self.sizes) - 1):
            if number:
                h = ACTIVATIONS[self.activation].function(h)
            if self.tied:
                kernel = self.encoder[-1 - number].variables["params"]["kernel"]
                h = h @ kernel.T + self.biases[number]
            else:
                h = self.decoder[number](h)
        return h


class ConvAutoencoder(nn.Module):
    """Convolutions of stride 2 to a code, and transposed convolutions back to the image.

    28×28×1 → 14×14×16 → 7×7×32 → code → 7×7×32 → 14×14×16 → 28×28×1: windows of 3×3, a dense layer
    to the code and one from it, ReLU after all layers but those that give the code and the output.

    Attributes:
        shape: height, width and channels of the images, which come and go as rows of pixels.
        channels: channels of each convolution, each of which halves the image (rounding up).
        code: numbers of the code.
    """

    shape: tuple[int, int, int] = (28, 28, 1)
    channels: tuple[int, ...] = (16, 32)
    code: int = 30

    def setup(self) -> None:
        sizes = [self.shape[:2]]
        for _ in self.channels:
            height, width = sizes[-1]
            sizes.append((-(-height // 2), -(-width // 2)))
        self.convolutions = [Conv(n, strides=2, padding=1) for n in self.channels]
        features = (*self.channels[-2::-1], self.shape[2])
        # A side of 2n or of 2n - 1 is halved to n, and comes back with or without a last pixel.
        self.transposed = [
            ConvTranspose(n, strides=2, padding=1, output_padding=tuple(1 - s % 2 for s in size))
            for n, size in zip(features, sizes[-2::-1], strict=True)
        ]
        self.smallest = (*sizes[-1], self.channels[-1])
        self.to_code = nn.Dense(self.code)
        self.from_code = nn.Dense(math.prod(self.smallest))

    def __call__(self, x: Float[Array, "batch pixels"]) -> Float[Array, "batch pixels"]:
        """The decoder's output for the code of x."""
        return self.decode(self.encode(x))

    def encode(self, x: Float[Array, "batch pixels"]) -> Float[Array, "batch code"]:
        """The code of x."""
        h = x.reshape(-1, *self.shape)
        for layer in self.convolutions:
            h = nn.relu(layer(h))
        return self.to_code(h.reshape(len(x), -1))

    def decode(self, code: Float[Array, "batch code"]) -> Float[Array, "batch pixels"]:
        """The output for a code."""
        h = self.from_code(code).reshape(-1, *self.smallest)
        for layer in self.transposed:
            h = layer(nn.relu(h))
        return h.reshape(len(code), -1)
