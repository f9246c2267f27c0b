"""A training gone through again with every state kept: for figures of paths, of small problems."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dlfun.experiment import Experiment
from dlfun.metrics import Metrics
from dlfun.random import stream
from dlfun.train import loop
from dlfun.train.batches import gather, order


def trajectory(*experiments: Experiment) -> tuple[Any, Metrics]:
    """The state before and after each update, and the metrics of each update, stacked.

    The updates are those of a run on one device: same order of the data, same keys. Of S updates,
    each leaf of the states has a first axis of S + 1, each leaf of the metrics one of S. Several
    experiments, of one learner and as many examples, are gone through together: an axis of them
    comes before.
    """
    update = experiments[0].learner.update

    def one(inputs: tuple[Any, ...]) -> tuple[Any, Metrics]:
        first, train, indices, key = inputs

        def step(state: Any, numbered: tuple) -> tuple[Any, Any]:
            number, chosen = numbered
            after, metrics = update(state, gather(train, chosen), jax.random.fold_in(key, number))
            return after, (after, metrics)

        _, (states, metrics) = jax.lax.scan(step, first, (jnp.arange(len(indices)), indices))
        whole = jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), first, states)
        return whole, metrics

    inputs = [_inputs(experiment) for experiment in experiments]
    if len(inputs) == 1:
        return jax.jit(one)(inputs[0])
    return jax.jit(jax.vmap(one))(jax.tree.map(lambda *each: jnp.stack(each), *inputs))


def _inputs(experiment: Experiment) -> tuple[Any, ...]:
    """First state, training data, the examples of each update, and the key of the updates."""
    e, size = experiment, experiment.dataset.size("train")
    train = {name: jnp.asarray(array) for name, array in e.dataset.splits["train"].items()}
    orders = [order(e.seed, epoch, size, e.batch_size) for epoch in range(e.epochs)]
    indices = jnp.asarray(np.concatenate(orders))
    return loop.start(e).state, train, indices, stream(e.seed, "update")
