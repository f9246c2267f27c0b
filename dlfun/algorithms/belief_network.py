"""Boltzmann machines one on top of another: each learns the hidden units of those below.

Hinton, Osindero, Teh (2006) train such a stack without labels, lowest machine first. It is a deep
belief network, and its weights start a network of as many layers.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from dlfun.algorithms.boltzmann_machine import RBM, gibbs, hidden_probabilities, visible_means
from dlfun.algorithms.contrastive_divergence import restricted_boltzmann_machine
from dlfun.algorithms.frozen_layers import Stack, with_frozen
from dlfun.data.dataset import Dataset
from dlfun.data.images import log_odds, pixels
from dlfun.experiment import Stage
from dlfun.learner import Batch, Key


def pretraining(
    dataset: Dataset,
    widths: Sequence[int],
    optimizer: optax.GradientTransformation,
    epochs: int,
    batch_size: int,
    gibbs_steps: int = 1,
) -> list[Stage]:
    """Stages rbm_1, rbm_2, … of machines of `widths` hidden units under contrastive divergence.

    The first machine's visible units are the pixels; their biases start at log p/(1 − p) of the
    share p of the training set in which a pixel is on (Hinton 2010, sec. 8). The state of each
    stage is a `Stack`, whose machines `machines` lists.
    """
    bias = log_odds(dataset.splits["train"]["image"])
    sizes = list(pairwise((len(bias), *widths)))
    stages = []
    for number, width in enumerate(widths):
        machine = restricted_boltzmann_machine(
            width, optimizer, steps=gibbs_steps, visible_bias=0.0 if number else bias
        )
        learner = with_frozen(machine, empty(sizes[:number]), features)
        name = f"rbm_{number + 1}"
        stages.append(Stage(learner, dataset, epochs, batch_size, name, begin=stack_up))
    return stages


def stack_up(previous: Stack, fresh: Stack) -> Stack:
    """The next machine on top of those trained so far."""
    return Stack(machines(previous), fresh.top)


def empty(sizes: Sequence[tuple[int, int]]) -> tuple[RBM, ...]:
    """Machines of zeros, from their numbers of visible and hidden units."""
    return tuple(RBM(jnp.zeros((v, h)), jnp.zeros(v), jnp.zeros(h)) for v, h in sizes)


def features(below: Sequence[RBM], batch: Batch) -> Batch:
    """The batch with p(h = 1 | v) of the topmost machine, or its pixels without one, as "x"."""
    x = pixels(batch["image"])
    for rbm in below:
        x = hidden_probabilities(rbm, x)
    return {**batch, "x": x}


def machines(state: Stack) -> tuple[RBM, ...]:
    """All machines of a stage that trains one: those below, and that one."""
    return (*state.below, state.top.params)


def encoder(layers: Sequence[RBM], name: str) -> dict[str, Any]:
    """The machines' weights and hidden biases as parameters of dense layers `name`_0, `name`_1, …

    They are copies: a checkpoint or an update may not have the same array twice.
    """
    return {
        f"{name}_{number}": {"kernel": jnp.copy(rbm.weights), "bias": jnp.copy(rbm.hidden_bias)}
        for number, rbm in enumerate(layers)
    }


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
