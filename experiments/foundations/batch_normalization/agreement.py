"""Whether running statistics stand for those of the data."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from dlfun import metrics
from dlfun.algorithms.supervised import SupervisedState
from dlfun.learner import Batch, Key, Learner
from dlfun.metrics import Metrics


def with_batch_statistics_agreement(
    model: nn.Module, learner: Learner, inputs: Callable[[Array], Array]
) -> Learner:
    """Learner whose evaluation also compares two ways to normalize: metric "agreement".

    It is the share of examples that get the same class under the running statistics of batch
    normalization as under the statistics of the evaluated batch itself. The learner of a model
    without batch normalization stays as it is.
    """
    if not getattr(model, "batch_norm", None):
        return learner

    def evaluate(state: SupervisedState, batch: Batch, key: Key) -> Metrics:
        x, weight = inputs(batch["image"]), batch["weight"]
        running: Any = model.apply(state.variables, x)
        own, _ = model.apply(state.variables, x, weight, mutable=["batch_stats"])
        same = jnp.argmax(running, axis=1) == jnp.argmax(own, axis=1)
        agreement = metrics.mean(same.astype(weight.dtype), weight)
        return learner.evaluate(state, batch, key) | {"agreement": agreement}

    return Learner(learner.init, learner.update, evaluate)
