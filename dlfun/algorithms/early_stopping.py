"""Early stopping: the parameters that did best on held-out examples."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from dlfun.learner import Batch, Key, Learner, State
from dlfun.metrics import Metrics

MAX_LOSS = np.float32(np.finfo(np.float32).max)
"""A loss that any other is better than, and still finite."""


class EarlyStoppingState(NamedTuple):
    """A training that goes on, and the best of it so far."""

    now: State
    best: State
    loss: Float[Array, ""]
    """Of the best, on the held-out examples."""
    at: Int[Array, ""]
    """The update after which it was the best."""
    updates: Int[Array, ""]


def early_stopping(learner: Learner, held_out: Mapping[str, Any], every: int) -> Learner:
    """Learner that looks at `held_out` after each `every` updates, and answers with its best state.

    Stopping at the lowest held-out loss and going on, to come back to it, give the same state
    [T3, sec. 3.1.5; Goodfellow et al. 2016, algorithm 7.1]: training metrics are of the state that
    goes on, evaluation is of the best one.
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
        now, measured = learner.update(state.now, batch, key)
        updates = state.updates + 1

        def look(_: Any) -> Array:
            loss = learner.evaluate(now, examples, key)["loss"]
            return loss.total / loss.count

        looked = jax.lax.cond(updates % every == 0, look, lambda _: jnp.asarray(MAX_LOSS), None)
        better = looked < state.loss
        best = jax.tree.map(lambda new, old: jnp.where(better, new, old), now, state.best)
        at = jnp.where(better, updates, state.at)
        return EarlyStoppingState(now, best, jnp.minimum(looked, state.loss), at, updates), measured

    def evaluate(state: EarlyStoppingState, batch: Batch, key: Key) -> Metrics:
        return learner.evaluate(state.best, batch, key)

    return Learner(init, update, evaluate)
