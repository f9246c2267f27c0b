"""An encoder and a decoder of recurrent layers, with and without attention."""

from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from dlfun.nn.kernels.recurrent_cells import find_cell
from dlfun.nn.layers.attention import AdditiveAttention, MultiplicativeAttention, padding_mask
from dlfun.nn.layers.dense import dot_general
from dlfun.nn.layers.dropout import Dropout
from dlfun.nn.layers.recurrent import Recurrent
from dlfun.nn.layers.recurrent_stack import RecurrentStack


class Encoded(NamedTuple):
    """The encoder's output for source sentences."""

    outputs: Float[Array, "batch source both"]
    """Outputs after each word: both directions side by side."""
    state: Float[Array, "batch hidden"]
    """The decoder's first state."""
    mask: Bool[Array, "batch source"]


class RecurrentTranslator(nn.Module):
    """A recurrent layer that reads both ways, and one that writes (Bahdanau et al., 2015).

    The writing layer starts from h = tanh(W s + b), s the reading layer's last states in both
    directions. With attention its output h_t is the query by which it reads a context c_t from the
    reading layer's outputs, and logits come from tanh(W [c_t; h_t] + b), without it from
    tanh(W h_t + b) (Luong et al., 2015, fig. 2): so all steps of a known translation are attended
    at once. Bahdanau's decoder takes its query from the state before and reads the context in.

    Attributes:
        source: number of words of the source language.
        target: number of words of the target language.
        attention: "none", "additive" or "multiplicative".
        cell: "rnn", "lstm" or "gru".
        embedding: size of a word's embedding.
        hidden: size of the state in each direction, and of the writing layer's.
        dropout: rate of dropout of embeddings and before the logits.
    """

    source: int
    target: int
    attention: str = "multiplicative"
    cell: str = "gru"
    embedding: int = 256
    hidden: int = 256
    dropout: float | Array = 0.0

    def setup(self) -> None:
        layer = Recurrent(self.hidden, self.cell, forget_bias=1.0, parent=None)
        self.source_embedding = nn.Embed(self.source, self.embedding)
        self.target_embedding = nn.Embed(self.target, self.embedding)
        self.reader = RecurrentStack(layer, bidirectional=True)
        self.bridge = nn.Dense(self.hidden)
        self.writer = layer.clone()
        if self.attention == "additive":
            self.attend: Any = AdditiveAttention(self.hidden)
        elif self.attention == "multiplicative":
            self.attend = MultiplicativeAttention()
        self.combine = nn.Dense(self.embedding)
        self.logits = nn.Dense(self.target, dot_general=dot_general)
        self.drop = Dropout(self.dropout)

    def __call__(
        self,
        x: Int[Array, "batch source"],
        length: Int[Array, " batch"],
        before: Int[Array, "batch time"],
        training: Float[Array, " batch"] | None = None,
    ) -> Float[Array, "batch time words"]:
        """Logits of each word of translations, from the word before it."""
        memory = self.encode(x, length, training)
        h, _ = self.writer(self._read_words(before, training), self._first_state(memory))
        return self._write(h, memory, training)[0]

    def encode(
        self,
        x: Int[Array, "batch source"],
        length: Int[Array, " batch"],
        training: Float[Array, " batch"] | None = None,
    ) -> Encoded:
        """The encoder's output for source sentences."""
        embedded = self.drop(self.source_embedding(x), training)
        outputs, (last,) = self.reader(embedded, lengths=length, training=training)
        states = jnp.concatenate(last[:: find_cell(self.cell).states], axis=-1)
        mask = padding_mask(length, x.shape[1])[:, 0, 0]
        return Encoded(outputs, jnp.tanh(self.bridge(states)), mask)

    def begin(self, memory: Encoded, longest: int) -> tuple[Array, ...]:
        """The writing layer's state before the first word."""
        return self._first_state(memory)

    def step(
        self, memory: Encoded, state: Any, word: Int[Array, " rows"], position: Int[Array, ""]
    ) -> tuple[Float[Array, "rows words"], Any]:
        """Logits of the next words, and the writing layer's new state."""
        h, state = self.writer(self._read_words(word[:, None]), state)
        return self._write(h, memory)[0][:, 0], state

    def alignment(
        self, x: Int[Array, "batch source"], length: Int[Array, " batch"], before: Array
    ) -> Float[Array, "batch time source"]:
        """The weights of attention at each step."""
        memory = self.encode(x, length)
        h, _ = self.writer(self._read_words(before), self._first_state(memory))
        return self._write(h, memory)[1]

    def _first_state(self, memory: Encoded) -> tuple[Array, ...]:
        rest = find_cell(self.cell).states - 1
        return (memory.state, *(jnp.zeros_like(memory.state),) * rest)

    def _read_words(self, words: Array, training: Array | None = None) -> Array:
        return self.drop(self.target_embedding(words), training)

    def _write(self, h: Array, memory: Encoded, training: Array | None = None) -> Any:
        """Logits, and the weights of attention."""
        weights = None
        if self.attention != "none":
            context, weights = self.attend(h, memory.outputs, memory.mask)
            h = jnp.concatenate([context, h], axis=-1)
        return self.logits(self.drop(jnp.tanh(self.combine(h)), training)), weights
