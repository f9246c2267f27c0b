"""A recurrent layer that reads a sequence, and a dense layer on what it remembers."""

import flax.linen as nn
from jax import Array
from jaxtyping import Float

from dlfun.nn.layers.dense import dense
from dlfun.nn.layers.recurrent import Recurrent


class SequenceReader(nn.Module):
    """Recurrent layer over a sequence, then a dense layer on its last output or on each.

    Attributes:
        cell: "rnn", "lstm" or "gru".
        hidden: size of the hidden state.
        outputs: size of a prediction.
        every_step: a prediction after each step, in place of one after the last.
        forget_bias: where the bias of the gate that keeps the state starts, as in `Recurrent`.
    """

    cell: str
    hidden: int
    outputs: int
    every_step: bool = False
    forget_bias: float | Array | None = 1.0

    @nn.compact
    def __call__(self, x: Float[Array, "batch time inputs"]) -> Float[Array, "batch *outputs"]:
        """Predictions, [batch, outputs] or [batch, time, outputs]. ValueError: an unknown cell."""
        h, _ = Recurrent(self.hidden, self.cell, forget_bias=self.forget_bias)(x)
        if not self.every_step:
            return dense(h[:, -1], self.outputs)
        return dense(h.reshape(-1, self.hidden), self.outputs).reshape(*h.shape[:2], self.outputs)
