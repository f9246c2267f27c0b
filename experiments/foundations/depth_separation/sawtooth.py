"""Telgarsky's sawtooth: a function that composition makes, as points of its graph."""

import numpy as np
from jaxtyping import Float

from dlfun.data.dataset import Dataset


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
