"""Telgarsky's sawtooth, a composition of tent maps: its graph, and the network that computes it."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dlfun.algorithms.minimize import MinimizeState
from dlfun.data.dataset import Dataset
from dlfun.learner import Batch, Key, Learner


def sawtooth(x: Float[np.ndarray, "*shape"], compositions: int) -> Float[np.ndarray, "*shape"]:
    """The tent map t(x) = 1 - |2x - 1| of [0, 1] applied n times: 2ⁿ⁻¹ teeth, 2ⁿ linear pieces.

    A ReLU network of n layers of 2 units computes it, for t(x) = 2 relu(x) - 4 relu(x - 1/2) there;
    one hidden layer needs a unit for each bend (Telgarsky, 2016).
    """
    for _ in range(compositions):
        x = 1 - np.abs(2 * x - 1)
    return x


def graph(compositions: int, size: int, seed: int) -> Dataset:
    """`size` random points x in [0, 1) and as many evenly spaced for the test, with y = tⁿ(x)."""
    uniform = np.random.Philox(key=seed).random_raw(size) / 2.0**64
    points = {"train": uniform, "test": (np.arange(size) + 0.5) / size}

    def split(x: np.ndarray) -> dict[str, np.ndarray]:
        columns = {"x": x, "y": sawtooth(x, compositions)}
        return {name: values[:, None].astype(np.float32) for name, values in columns.items()}

    return Dataset("sawtooth", {name: split(x) for name, x in points.items()}, ())


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
    """Learner made by `minimize` that starts at given parameters, each shifted by N(0, noise²)."""

    def init(key: Key, batch: Batch) -> MinimizeState:
        leaves, tree = jax.tree.flatten(params)
        keys = jax.random.split(key, len(leaves))
        shifted = [
            leaf + noise * jax.random.normal(leaf_key, leaf.shape)
            for leaf, leaf_key in zip(leaves, keys, strict=True)
        ]
        state: MinimizeState = learner.init(key, batch)
        return state._replace(params=jax.tree.unflatten(tree, shifted))

    return learner._replace(init=init)
