"""From the network that predicts hidden words to the one that classifies."""

import jax
import jax.numpy as jnp

from dlfun import metrics
from dlfun.algorithms.frozen_layers import Stack
from dlfun.algorithms.minimize import MinimizeState
from dlfun.learner import Batch, Key, Learner, State
from dlfun.metrics import Metrics

MASK = "<mask>"
"""Stands for a hidden word."""


def start_from(previous: MinimizeState, fresh: Stack) -> Stack:
    """The language model's parameters, and classifiers whose encoder is its own in each fold."""
    start = fresh.top["pretrained"]
    encoder = jax.tree.map(
        lambda old, new: jnp.broadcast_to(old, new.shape),
        previous.params["encoder"],
        start.params["encoder"],
    )
    pretrained = start._replace(params={**start.params, "encoder": encoder})
    return Stack((previous.params,), {**fresh.top, "pretrained": pretrained})


def with_gain(learner: Learner) -> Learner:
    """The learner, whose evaluation adds "gain_of_pretrained": its accuracy less scratch's."""

    def evaluate(state: State, batch: Batch, key: Key) -> Metrics:
        measured = learner.evaluate(state, batch, key)
        shares = {name: measured[f"{name}_accuracy"] for name in ("scratch", "pretrained")}
        return measured | metrics.gains(shares)

    return learner._replace(evaluate=evaluate)
