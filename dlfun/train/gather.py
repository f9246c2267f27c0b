"""Batches from arrays on a device: examples by their indices, and a split taken as one batch."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from dlfun.learner import Learner, State, metrics_of_all
from dlfun.random import stream


def gather(data: Mapping[str, Array], indices: Int[Array, "*batch"]) -> dict[str, Array]:
    """The batch at `indices`; weight 0 where an index is -1."""
    return {name: array[indices] for name, array in data.items()} | {"weight": weight(indices)}


def weight(indices: Int[Array, "*batch"]) -> Float[Array, "*batch"]:
    """Weights of a batch: 1 for an example, 0 where the index is -1."""
    return (indices >= 0).astype(jnp.float32)


def whole(split: Mapping[str, Any]) -> dict[str, Array]:
    """A split of a dataset as one batch."""
    batch = {name: jnp.asarray(array) for name, array in split.items()}
    return batch | {"weight": jnp.ones(len(next(iter(batch.values()))))}


def evaluate_split(learner: Learner, state: State, split: Mapping[str, Any]) -> dict[str, Any]:
    """Metrics of a state on a split that is small enough to be evaluated as one batch."""
    return metrics_of_all(learner, state, split, stream(0, "evaluate"))
