"""Recurrent classifiers that read images row by row [T3, sec. 3.3.2]."""

import flax.linen as nn
from jax import Array
from jaxtyping import Float

from dlfun.nn.layers.dense import dense
from dlfun.nn.layers.recurrent import Recurrent


class RecurrentClassifier(nn.Module):
    """Stacked recurrent layers over the rows of an image, then a dense layer on the last output.

    Row t is the input at step t: an image of 28x28 is 28 steps of 28 features.

    Attributes:
        cell: "rnn", "lstm" or "gru".
        hidden: size of each layer's hidden state.
        layers: number of recurrent layers.
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
        """Logits of images. Raises ValueError for an unknown cell."""
        batch, height, width, channels = images.shape
        x = images.reshape(batch, height, width * channels)
        for _ in range(self.layers):
            x, _ = Recurrent(self.hidden, self.cell)(x)
        return dense(x[:, -1], self.classes)
