"""A recurrent classifier of sentences."""

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from dlfun.nn.layers.dense import dense
from dlfun.nn.layers.dropout import Dropout
from dlfun.nn.layers.recurrent import Recurrent
from dlfun.nn.layers.recurrent_stack import RecurrentStack


class SentenceClassifier(nn.Module):
    """Embedding, recurrent layer, dense layer on the state after the last word: logits of classes.

    Attributes:
        vocabulary: number of known words.
        classes: number of classes.
        cell: "rnn", "lstm" or "gru".
        bidirectional: beside it a layer reads backwards, and its last state, too, is classified.
        embedding: size of a word's embedding.
        hidden: size of the hidden state.
        dropout: rate of dropout of the embeddings and of the last state.
    """

    vocabulary: int
    classes: int
    cell: str = "lstm"
    bidirectional: bool = False
    embedding: int = 128
    hidden: int = 256
    dropout: float | Array = 0.0

    @nn.compact
    def __call__(
        self,
        words: Int[Array, "batch time"],
        lengths: Int[Array, " batch"],
        training: Float[Array, " batch"] | None = None,
    ) -> Float[Array, "batch classes"]:
        """Logits; `training` is the weight of each sentence, None in evaluation."""
        x = nn.Embed(self.vocabulary, self.embedding)(words)
        x = Dropout(self.dropout)(x, training)
        layer = Recurrent(self.hidden, self.cell, forget_bias=1.0, scheme="orthogonal")
        _, (last,) = RecurrentStack(layer, bidirectional=self.bidirectional)(x, lengths=lengths)
        states = len(last) // (2 if self.bidirectional else 1)
        h = jnp.concatenate(last[::states], axis=-1)
        return dense(Dropout(self.dropout)(h, training), self.classes)
