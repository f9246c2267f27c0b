"""Networks that are built rather than drawn: Telgarsky's composition of tents."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from dlfun.algorithms.supervised import SupervisedState
from dlfun.learner import Batch, Key, Learner


def telgarsky_params(compositions: int) -> dict[str, dict[str, Array]]:
    """Parameters of an MLP of n hidden layers of 2 units that computes the sawtooth tⁿ on [0, 1].

    Each layer holds relu(t) and relu(t - 1/2) of the tent before it, for the next tent is
    t(x) = 2 relu(x) - 4 relu(x - 1/2) (Telgarsky, 2016).
    """
    tent, bend = jnp.array([[2.0], [-4.0]]), jnp.array([0.0, -0.5])
    first = {"kernel": jnp.ones((1, 2)), "bias": bend}
    layer = {"kernel": jnp.repeat(tent, 2, axis=1), "bias": bend}
    last = {"kernel": tent, "bias": jnp.zeros(1)}
    layers = [first, *[layer] * (compositions - 1), last]
    return {f"Dense_{number}": layer for number, layer in enumerate(layers)}


def with_initial_params(learner: Learner, params: Any, noise: float | Array) -> Learner:
    """A supervised learner that starts at given parameters, each shifted by N(0, noise²)."""

    def init(key: Key, batch: Batch) -> SupervisedState:
        leaves, tree = jax.tree.flatten(params)
        keys = jax.random.split(key, len(leaves))
        shifted = [
            leaf + noise * jax.random.normal(each, leaf.shape)
            for leaf, each in zip(leaves, keys, strict=True)
        ]
        state: SupervisedState = learner.init(key, batch)
        return state._replace(params=jax.tree.unflatten(tree, shifted))

    return Learner(init, learner.update, learner.evaluate)
