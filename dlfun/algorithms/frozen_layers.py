"""Layers that are trained one after another, each on what the layers below it compute."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from dlfun.data.dataset import Dataset
from dlfun.learner import Batch, Key, Learner, State
from dlfun.metrics import Metrics


class Stack(NamedTuple):
    """Layers whose training is over, lowest first, and the state of what is trained."""

    below: tuple[Any, ...]
    top: State


def with_frozen(
    learner: Learner, below: tuple[Any, ...], read: Callable[[tuple[Any, ...], Batch], Batch]
) -> Learner:
    """The learner on `read(below, batch)`, with layers in its state that no update changes.

    `init` starts from the layers `below`, arrays of the right shapes: a stage's `begin` puts those
    that have been trained in their place.
    """

    def init(key: Key, batch: Batch) -> Stack:
        return Stack(below, learner.init(key, read(below, batch)))

    def update(state: Stack, batch: Batch, key: Key) -> tuple[Stack, Metrics]:
        top, measured = learner.update(state.top, read(state.below, batch), key)
        return Stack(state.below, top), measured

    def evaluate(state: Stack, batch: Batch, key: Key) -> Metrics:
        return learner.evaluate(state.top, read(state.below, batch), key)

    def predict(state: Stack, batch: Batch) -> Any:
        assert learner.predict is not None
        return learner.predict(state.top, read(state.below, batch))

    return Learner(init, update, evaluate, learner.predict and predict, learner.averages)


def variables(state: Any) -> Any:
    """The variables in the state of a learner of `minimize`."""
    return state.variables


def blank(learner: Learner, dataset: Dataset, keep: Callable[[State], Any] = variables) -> Any:
    """`keep` of the learner's state as zeros, for `with_frozen` to start from."""
    columns = dataset.splits["train"].items()
    batch = {name: jnp.asarray(column[:1]) for name, column in columns} | {"weight": jnp.ones(1)}
    state = jax.eval_shape(learner.init, jax.random.key(0), batch)
    return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), keep(state))


def freeze(previous: Stack, fresh: Stack, keep: Callable[[State], Any] = variables) -> Stack:
    """The next learner's first state, on the layers below and `keep` of the state on top of them.

    `begin` of a stage of `with_frozen` that follows another.
    """
    return Stack((*previous.below, keep(previous.top)), fresh.top)
