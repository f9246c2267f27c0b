"""Small random datasets: clusters in the plane, noisy curves, linear models, patterns."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from dlfun.data.dataset import Dataset, Split

STREAMS = {"train": 0, "test": 1}


def _random(seed: int, split: str) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=(seed, STREAMS[split])))


def clusters(examples: int, seed: int, classes: int = 3, spread: float = 0.35) -> Dataset:
    """Normal clusters around evenly spaced points of the unit circle.

    A split holds `examples` examples as {"x": float32 [N, 2], "y": float32 [N, classes], one-hot}.
    """

    def split(name: str) -> Split:
        random = _random(seed, name)
        label = random.integers(0, classes, examples)
        angle = 2 * np.pi * label / classes
        centre = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        x = centre + spread * random.normal(size=centre.shape)
        return {"x": x.astype(np.float32), "y": np.eye(classes, dtype=np.float32)[label]}

    names = tuple(f"cluster {number}" for number in range(classes))
    return Dataset("clusters", {name: split(name) for name in STREAMS}, names)


def curve(
    function: Callable[[np.ndarray], np.ndarray],
    examples: int,
    seed: int,
    noise: float = 0.0,
    test: int = 500,
) -> Dataset:
    """Values of a function on [−1, 1]; those of "train" have normal noise.

    "train" has `examples` uniformly distributed x, "test" has `test` evenly spaced ones without
    noise: {"x": float32 [N, 1], "y": float32 [N, 1]}.
    """

    def split(x: np.ndarray, noise: np.ndarray | float) -> Split:
        y = function(x) + noise
        return {"x": x[:, None].astype(np.float32), "y": y[:, None].astype(np.float32)}

    random = _random(seed, "train")
    x = random.uniform(-1, 1, examples)
    train = split(x, noise * random.normal(size=examples))
    return Dataset("a curve", {"train": train, "test": split(np.linspace(-1, 1, test), 0.0)})


def linear(
    examples: int, weights: Float[np.ndarray, " inputs"], bias: float, seed: int, noise: float
) -> Dataset:
    """Linear model y = x·w + b + noise, x and noise normal: {"x": [N, inputs], "y": [N, 1]}."""

    def split(name: str) -> Split:
        random = _random(seed, name)
        x = random.normal(size=(examples, len(weights)))
        y = x @ weights + bias + noise * random.normal(size=examples)
        return {"x": x.astype(np.float32), "y": y[:, None].astype(np.float32)}

    return Dataset("a linear model", {name: split(name) for name in STREAMS})


def patterns(pairs: int, seed: int) -> Dataset:
    """Pairs of a key and a value, vectors of 32 numbers ±1; "test" equals "train".

    {"orthogonal": float32 [pairs, 32], rows of Sylvester's matrix with columns of random sign;
    "random": float32 [pairs, 32]; "y": float32 [pairs, 32]}.
    """
    random = _random(seed, "train")
    basis = np.ones((1, 1))
    while len(basis) < 32:
        basis = np.block([[basis, basis], [basis, -basis]])
    signs = random.choice([-1.0, 1.0], (2 * pairs + 1, 32))
    columns = {
        "orthogonal": random.permutation(basis)[:pairs] * signs[0],
        "random": signs[1 : pairs + 1],
        "y": signs[pairs + 1 :],
    }
    split = {name: values.astype(np.float32) for name, values in columns.items()}
    return Dataset("patterns", {"train": split, "test": split})
