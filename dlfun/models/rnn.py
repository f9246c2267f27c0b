"""Recurrent classifiers that read an image row by row."""

import flax.linen as nn
from jaxtyping import Array, Float

from dlfun.layers.recurrent import Recurrent


class RecurrentClassifier(nn.Module):
    """Stacked recurrent layers over the rows of an image, then a dense layer on the last output.

    Row t of the image is the input at step t, so that a 28x28 image is 28 steps of 28
    features [T3, sec. 3.3.2].

    Attributes:
        cell: "rnn", "lstm" or "gru".
        hidden: size of every layer's hidden state.
        layers: how many recurrent layers.
        classes: number of classes.
    """

    cell: str = "rnn"
    hidden: int = 128
    layers: int = 2
    classes: int = 10

    @nn.compact
    def __call__(
        self, images: Float[Array, "batch height width channels"]
    ) -> Float[Array, "batch classes"]:
        """Logits of `images`. Raises ValueError for an unknown cell."""
        batch, height, width, channels = images.shape
        x = images.reshape(batch, height, width * channels)
        for _ in range(self.layers):
            x, state = Recurrent(self.hidden, self.cell)(x)
        return nn.Dense(self.classes)(x[:, -1])
