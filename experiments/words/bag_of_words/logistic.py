"""Logistic regression on bags of words."""

import flax.linen as nn
import jax.numpy as jnp
import optax
from jax import Array
from jaxtyping import Float, Int

from dlfun import metrics
from dlfun.algorithms.supervised import supervised
from dlfun.learner import Batch, Key, Learner, State
from dlfun.metrics import Metrics
from dlfun.nn.losses import cross_entropy


class BagOfWords(nn.Module):
    """Logits b + Σ W[w] over the words of a sentence, from zeros; numbers 0 and 1 are left out.

    Attributes:
        words: number of words, with the two that are left out.
        classes: number of classes.
    """

    words: int
    classes: int

    @nn.compact
    def __call__(self, x: Int[Array, "batch time"]) -> Float[Array, "batch classes"]:
        """Logits of the classes."""
        rows = nn.Embed(self.words, self.classes, embedding_init=nn.initializers.zeros)(x)
        bias = self.param("bias", nn.initializers.zeros, (self.classes,))
        return jnp.where(x[..., None] > 1, rows, 0).sum(axis=1) + bias


def logistic_regression(
    column: str, words: int, classes: int, optimizer: optax.GradientTransformation
) -> Learner:
    """Learner of "label" from the words in a column, under cross entropy."""
    return supervised(
        BagOfWords(words, classes),
        cross_entropy,
        optimizer,
        inputs=lambda x: x,
        eval_metrics=metrics.accuracy,
        columns=(column, "label"),
    )


def of_set(learner: Learner, number: int) -> Learner:
    """A learner that counts only the examples whose column "set" is `number`."""

    def masked(batch: Batch) -> Batch:
        # The others' words and labels may be beyond this set's, so they become 0.
        in_set = batch["set"] == number
        return {
            name: jnp.where(in_set.reshape(-1, *[1] * (column.ndim - 1)), column, 0)
            for name, column in batch.items()
        }

    def update(state: State, batch: Batch, key: Key) -> tuple[State, Metrics]:
        return learner.update(state, masked(batch), key)

    def evaluate(state: State, batch: Batch, key: Key) -> Metrics:
        return learner.evaluate(state, masked(batch), key)

    return learner._replace(update=update, evaluate=evaluate)
