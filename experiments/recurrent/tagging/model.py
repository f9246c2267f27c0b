"""A tagger that reads sentences both ways, and its training."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import optax
from jax import Array
from jaxtyping import Float, Int, UInt8

from dlfun import metrics
from dlfun.algorithms.minimize import LossAndMetrics, minimize
from dlfun.learner import Batch, Key, Learner
from dlfun.nn import losses
from dlfun.nn.layers.dense import dense
from dlfun.nn.layers.dropout import Dropout
from dlfun.nn.layers.recurrent import Recurrent
from dlfun.nn.layers.recurrent_stack import RecurrentStack

WIDTHS = (16, 32, 64)
"""Lengths up to which the letters of a batch are read: whole sentences where one is longer."""


class Tagger(nn.Module):
    """Embeddings of words, a bidirectional LSTM over them, and a dense layer at each word.

    Attributes:
        vocabulary: number of known words.
        alphabet: number of known characters.
        tags: number of tags.
        embedding: size of a word's embedding.
        hidden: size of the hidden state in each direction.
        characters: size of the last states, in each direction, of a bidirectional LSTM over the
            letters of a word, which stand beside its embedding (Ling et al. 2015); 0 for none.
        dropout: rate of dropout before and after the recurrent layer.
    """

    vocabulary: int
    alphabet: int
    tags: int
    embedding: int = 128
    hidden: int = 128
    characters: int = 0
    dropout: float | Array = 0.0

    @nn.compact
    def __call__(
        self,
        words: Int[Array, "batch time"],
        letters: UInt8[Array, "batch time letters"],
        lengths: Int[Array, " batch"],
        training: Float[Array, " batch"] | None = None,
    ) -> Float[Array, "batch time tags"]:
        """Logits of each word's tag; `training` is the weight of a sentence, None in evaluation."""
        batch, time = words.shape
        x = nn.Embed(self.vocabulary, self.embedding)(words)
        if self.characters:
            spelled = Spelling(self.alphabet, self.characters)(letters, lengths)
            x = jnp.concatenate([x, spelled], axis=-1)
        x = Dropout(self.dropout)(x, training)
        layer = Recurrent(self.hidden, "lstm", forget_bias=1.0)
        x, _ = RecurrentStack(layer, bidirectional=True)(x, lengths=lengths)
        x = Dropout(self.dropout)(x, training)
        return dense(x.reshape(batch * time, -1), self.tags).reshape(batch, time, -1)


class Spelling(nn.Module):
    """Last states of a bidirectional LSTM over the letters of each word.

    Attributes:
        alphabet: number of known characters.
        size: size of a state in each direction.
    """

    alphabet: int
    size: int

    def setup(self) -> None:
        """Make the two layers, which every branch uses."""
        self.embed = nn.Embed(self.alphabet, self.size)
        self.stack = RecurrentStack(Recurrent(self.size, "lstm"), bidirectional=True)

    def __call__(
        self, letters: UInt8[Array, "batch time letters"], lengths: Int[Array, " batch"]
    ) -> Float[Array, "batch time features"]:
        """The states of each word; those after a sentence's end stand for nothing."""
        time = letters.shape[1]
        # Batches hold sentences of similar length, mostly much shorter than the longest of all.
        widths = [*(width for width in WIDTHS if width < time), time]
        if self.is_initializing() or len(widths) == 1:
            return _read(self, letters, time)
        branch = jnp.searchsorted(jnp.array(widths), lengths.max())
        return nn.switch(branch, [partial(_read, width=width) for width in widths], self, letters)


def _read(spelling: Spelling, letters: Array, width: int) -> Array:
    """The states of the first words of each sentence, and zeros for those after them."""
    time = letters.shape[1]
    shown = letters[:, :width].astype(jnp.int32)
    flat = shown.reshape(-1, shown.shape[-1])
    _, (last,) = spelling.stack(spelling.embed(flat), lengths=(flat > 0).sum(1))
    states = jnp.concatenate([last[0], last[2]], axis=-1)
    states = states.reshape(len(letters), width, -1)
    return jnp.pad(states, ((0, 0), (0, time - width), (0, 0)))


def tagger(model: Tagger, optimizer: optax.GradientTransformation) -> Learner:
    """Learner of "tag" from "x", "letters" and "length"; the loss is the mean over words."""

    def init(key: Key, batch: Batch) -> Mapping[str, Any]:
        return model.init(key, batch["x"], batch["letters"], batch["length"])

    def predict(variables: Mapping[str, Any], batch: Batch) -> Any:
        return model.apply(variables, batch["x"], batch["letters"], batch["length"])

    def objective(
        variables: Mapping[str, Any], batch: Batch, key: Key, training: bool
    ) -> LossAndMetrics:
        logits: Any
        if training:
            columns = batch["x"], batch["letters"], batch["length"], batch["weight"]
            logits = model.apply(variables, *columns, rngs={"dropout": key})
        else:
            logits = predict(variables, batch)
        live = jnp.arange(batch["x"].shape[1]) < batch["length"][:, None]
        weight = jnp.where(live, batch["weight"][:, None], 0).reshape(-1)
        tag, logits = batch["tag"].reshape(-1), logits.reshape(-1, model.tags)
        loss = metrics.mean(losses.cross_entropy(logits, tag), weight)
        measured = (metrics.accuracy if training else metrics.classification)(logits, tag, weight)
        return LossAndMetrics(loss, measured)

    return minimize(init, objective, optimizer, predict)
