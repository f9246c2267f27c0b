"""A training with all its states kept: for small problems, and for figures of paths."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from dlfun.data.dataset import Dataset
from dlfun.learner import Key, Learner
from dlfun.metrics import Metrics
from dlfun.random import stream
from dlfun.train.gather import gather


def trajectory(
    learner: Learner, dataset: Dataset, epochs: int, batch_size: int, seed: int
) -> tuple[Any, Metrics]:
    """The state before and after each update, and the metrics of each update, stacked.

    The updates are those of a run on one device: same order of the data, same keys. Of S updates,
    each leaf of the states has a first axis of S + 1, each leaf of the metrics one of S.
    """
    return _run(learner, *_inputs(dataset, epochs, batch_size, seed))


def trajectories(
    learner: Learner,
    datasets: Sequence[Dataset],
    epochs: int,
    batch_size: int,
    seeds: Sequence[int],
) -> tuple[Any, Metrics]:
    """Several trajectories at once, of datasets of equal size, one for each seed.

    Each leaf has one axis more than in `trajectory`, the first: that of the datasets.
    """
    pairs = zip(datasets, seeds, strict=True)
    inputs = [_inputs(dataset, epochs, batch_size, seed) for dataset, seed in pairs]
    stacked = jax.tree.map(lambda *arrays: jnp.stack(arrays), *inputs)
    return jax.vmap(partial(_run, learner))(*stacked)


def _inputs(
    dataset: Dataset, epochs: int, batch_size: int, seed: int
) -> tuple[dict[str, Array], Array, Key, Key]:
    """Training data, the examples of each update, and the keys of `init` and of the updates."""
    data = {name: jnp.asarray(array) for name, array in dataset.splits["train"].items()}
    size = dataset.size("train")
    indices = [dataset.order(seed, epoch, size, batch_size) for epoch in range(epochs)]
    return data, jnp.asarray(np.concatenate(indices)), stream(seed, "init"), stream(seed, "update")


@partial(jax.jit, static_argnums=0)
def _run(
    learner: Learner, data: dict[str, Array], indices: Array, init_key: Key, update_key: Key
) -> tuple[Any, Metrics]:
    def step(state: Any, numbered: tuple[Array, Array]) -> tuple[Any, Any]:
        number, examples = numbered
        key = jax.random.fold_in(update_key, number)
        after, metrics = learner.update(state, gather(data, examples), key)
        return after, (after, metrics)

    first = learner.init(init_key, gather(data, jnp.zeros(1, jnp.int32)))
    _, (states, metrics) = jax.lax.scan(step, first, (jnp.arange(len(indices)), indices))
    return jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), first, states), metrics
