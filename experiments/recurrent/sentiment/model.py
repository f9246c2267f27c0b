"""A recurrent classifier of sentences, and its training."""

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax import Array
from jax.scipy.special import logsumexp
from jaxtyping import Float, Int

from dlfun import metrics
from dlfun.algorithms.minimize import LossAndMetrics, minimize
from dlfun.learner import Batch, Key, Learner, State
from dlfun.nn import losses
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


def classifier(model: SentenceClassifier, optimizer: optax.GradientTransformation) -> Learner:
    """Learner of "label" from the columns "x" and "length" under cross entropy."""

    def init(key: Key, batch: Batch) -> Mapping[str, Any]:
        return model.init(key, batch["x"], batch["length"])

    def predict(variables: Mapping[str, Any], batch: Batch) -> Any:
        return model.apply(variables, batch["x"], batch["length"])

    def objective(
        variables: Mapping[str, Any], batch: Batch, key: Key, training: bool
    ) -> LossAndMetrics:
        logits: Any
        weight, label = batch["weight"], batch["label"]
        if not training:
            logits = predict(variables, batch)
            measured = metrics.classification(logits, label, weight)
            return LossAndMetrics(
                metrics.mean(losses.cross_entropy(logits, label), weight), measured
            )
        logits = model.apply(variables, batch["x"], batch["length"], weight, rngs={"dropout": key})
        loss = metrics.mean(losses.cross_entropy(logits, label), weight)
        return LossAndMetrics(loss, metrics.accuracy(logits, label, weight))

    return minimize(init, objective, optimizer, predict)


def with_mean_prediction(learner: Learner) -> Learner:
    """A learner that predicts log Σₙ pₙ, where pₙ are the probabilities that network n gives.

    `learner` predicts logits [batch, networks, classes], in a dict of several such arrays.
    """

    def predict(state: State, batch: Batch) -> Array:
        assert learner.predict is not None
        logits = jnp.concatenate([*learner.predict(state, batch).values()], axis=1)
        return logsumexp(jax.nn.log_softmax(logits), axis=1)

    return learner._replace(predict=predict)
