"""Early stopping: the parameters that did best on held-out examples."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from dlfun.learner import Batch, Key, Learner, State, mean_over_devices
from dlfun.metrics import Metrics

MAX_LOSS = np.float32(np.finfo(np.float32).max)
"""Largest finite loss: any held-out loss is better."""


class EarlyStoppingState(NamedTuple):
    """A training that continues, and the best of its states so far."""

    current: State
    best: State
    best_loss: Float[Array, ""]
    """Loss of the best state on the held-out examples."""
    best_step: Int[Array, ""]
    """Updates after which the state was the best."""
    updates: Int[Array, ""]
    """Updates so far."""


def early_stopping(learner: Learner, held_out: Mapping[str, Any], interval: int) -> Learner:
    """Learner that keeps the state of the lowest loss on held-out examples.

    That loss is measured after each `interval` updates. Stopping at its minimum, and continuing but
    returning to it, give the same state [T3, sec. 3.1.5; Goodfellow et al. 2016, algorithm 7.1]:
    training metrics are of the state that continues, evaluation and prediction of the best one.
    """
    examples = {name: jnp.asarray(array) for name, array in held_out.items()}
    size = len(next(iter(examples.values())))
    examples |= {"weight": jnp.ones(size)}

    def init(key: Key, batch: Batch) -> EarlyStoppingState:
        state, zero = learner.init(key, batch), jnp.zeros((), jnp.int32)
        return EarlyStoppingState(state, state, jnp.asarray(MAX_LOSS), zero, zero)

    def update(
        state: EarlyStoppingState, batch: Batch, key: Key
    ) -> tuple[EarlyStoppingState, Metrics]:
        current, measured = learner.update(state.current, batch, key)
        counted = mean_over_devices(batch["weight"].sum()) > 0
        updates = state.updates + counted.astype(jnp.int32)

        def held_out_loss() -> Array:
            loss = learner.evaluate(current, examples, key)["loss"]
            return loss.total / loss.count

        loss = jax.lax.cond(updates % interval == 0, held_out_loss, lambda: jnp.asarray(MAX_LOSS))
        better = loss < state.best_loss
        best = jax.tree.map(lambda new, old: jnp.where(better, new, old), current, state.best)
        best_loss = jnp.minimum(loss, state.best_loss)
        best_step = jnp.where(better, updates, state.best_step)
        return EarlyStoppingState(current, best, best_loss, best_step, updates), measured

    def evaluate(state: EarlyStoppingState, batch: Batch, key: Key) -> Metrics:
        return learner.evaluate(state.best, batch, key)

    predict = learner.predict
    return learner._replace(
        init=init,
        update=update,
        evaluate=evaluate,
        predict=predict and (lambda state, batch: predict(state.best, batch)),
    )
