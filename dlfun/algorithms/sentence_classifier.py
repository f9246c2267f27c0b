"""Classifiers of sentences, and the mean of the predictions of several."""

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax import Array
from jax.scipy.special import logsumexp

from dlfun import metrics
from dlfun.algorithms.minimize import LossAndMetrics, minimize
from dlfun.learner import Batch, Key, Learner, State
from dlfun.nn import losses


def sentence_classifier(model: nn.Module, optimizer: optax.GradientTransformation) -> Learner:
    """Learner of "label" from the columns "x" and "length" under cross entropy.

    `model` maps tokens [batch, time], lengths and, while training, the weights of the sentences to
    logits of the classes.
    """

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
