"""Recurrent classifier of sequences of frames, of unequal lengths."""

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from dlfun.nn.layers.dense import dense
from dlfun.nn.layers.dropout import Dropout
from dlfun.nn.layers.recurrent import Recurrent
from dlfun.nn.layers.recurrent_stack import RecurrentStack


class FrameClassifier(nn.Module):
    """Recurrent layers that read both ways, the mean of their outputs, and a dense layer.

    Attributes:
        cell: "rnn", "lstm" or "gru".
        hidden: size of each layer's hidden state, each way.
        layers: number of layers.
        classes: number of classes.
        dropout: rate at which outputs are dropped, between layers and before the dense layer.
    """

    cell: str
    hidden: int
    layers: int
    classes: int
    dropout: float | Array = 0.0

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "batch time channels_and_one"],
        training: Float[Array, " batch"] | None = None,
    ) -> Float[Array, "batch classes"]:
        """Logits. The last channel of `x` is 1 for a frame, and 0 after the end of a sequence."""
        x = x.astype(jnp.float32)
        lengths = x[..., -1].sum(axis=1).astype(jnp.int32)
        layer = Recurrent(self.hidden, self.cell, forget_bias=1.0, parent=None)
        stack = RecurrentStack(layer, self.layers, True, self.dropout)
        outputs, _ = stack(x[..., :-1], None, lengths, training)
        # Outputs after the end are 0.
        mean = outputs.sum(axis=1) / jnp.maximum(lengths, 1)[:, None].astype(jnp.float32)
        return dense(Dropout(self.dropout)(mean, training), self.classes)
