"""A stack of Boltzmann machines: each learns the hidden units of those below, which are frozen."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Shaped

from dlfun.algorithms.boltzmann_machine import (
    RBM,
    gibbs,
    hidden_probabilities,
    visible_means,
)
from dlfun.learner import Batch, Key, Learner, State
from dlfun.metrics import Metrics


class Stack(NamedTuple):
    """Machines whose training is over, lowest first, and the state of what is trained."""

    below: tuple[RBM, ...]
    top: State


def pixels(
    images: Shaped[Array, "batch *shape"], scale: float = 255.0
) -> Float[Array, "batch pixels"]:
    """Images as rows of numbers, divided by `scale` (`dlfun.data.images.unit_scale`)."""
    return images.reshape(len(images), -1).astype(jnp.float32) / scale


def features(below: Sequence[RBM], batch: Batch) -> Batch:
    """The batch with p(h = 1 | v) of the topmost machine, or its pixels without one, as "x"."""
    x = pixels(batch["image"])
    for rbm in below:
        x = hidden_probabilities(rbm, x)
    return {**batch, "x": x}


def with_frozen(
    learner: Learner,
    sizes: Sequence[tuple[int, int]],
    read: Callable[[Sequence[RBM], Batch], Batch],
) -> Learner:
    """The learner on `read(below, batch)`, with machines in its state that no update changes.

    `sizes` are the numbers of visible and hidden units of the frozen machines, lowest first. `init`
    leaves the machines at zero: a stage's `begin` fills them in.
    """

    def init(key: Key, batch: Batch) -> Stack:
        below = tuple(RBM(jnp.zeros((v, h)), jnp.zeros(v), jnp.zeros(h)) for v, h in sizes)
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


def machines(state: Stack) -> tuple[RBM, ...]:
    """All machines of a stage that trains one: those below, and that one."""
    return (*state.below, state.top.params)


def draw(
    stack: Sequence[RBM], key: Key, x: Float[Array, "count visible"], steps: int
) -> Float[Array, "count visible"]:
    """Samples of the belief network, each at the end of a Gibbs chain in the topmost machine.

    A chain starts from the hidden units of a row of x. Downwards from its end each layer passes on
    p(v = 1 | h), and not a draw: so images are grey.
    """
    *below, top = stack
    for rbm in below:
        x = hidden_probabilities(rbm, x)
    x = gibbs(top, x, jax.random.split(key, len(x)), steps)
    for rbm in reversed(below):
        x = visible_means(rbm, x)
    return x
