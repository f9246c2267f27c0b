"""A training gone through again with every state kept: for figures of paths, of small problems."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dlfun.experiment import Experiment
from dlfun.metrics import Metrics
from dlfun.random import stream
from dlfun.train import loop
from dlfun.train.feed import gather, order


def replay(experiment: Experiment) -> tuple[Any, Metrics]:
    """The state before and after each update, and the metrics of each update, stacked.

    The updates are those of a run on one device: same order of the data, same keys. Of S updates,
    each leaf of the states has a first axis of S + 1, each leaf of the metrics one of S.
    """
    train = {name: jnp.asarray(array) for name, array in experiment.dataset.splits["train"].items()}
    size, key = experiment.dataset.size("train"), stream(experiment.seed, "update")
    orders = [
        order(experiment.seed, e, size, experiment.batch_size) for e in range(experiment.epochs)
    ]
    first = loop.start(experiment).state

    def step(state: Any, numbered: tuple) -> tuple[Any, Any]:
        number, indices = numbered
        batch = gather(train, indices)
        state, metrics = experiment.learner.update(state, batch, jax.random.fold_in(key, number))
        return state, (state, metrics)

    indices = jnp.asarray(np.concatenate(orders))
    _, (states, metrics) = jax.jit(
        lambda: jax.lax.scan(step, first, (jnp.arange(len(indices)), indices))
    )()
    whole = jax.tree.map(lambda one, rest: jnp.concatenate([one[None], rest]), first, states)
    return whole, metrics
