"""Hidden units that start equal stay equal: zeros and constants never break symmetry.

Figure: spread of units ≤ 0 from zeros, constant, else ≥ 0.1; test accuracy ≤ 12, ≤ 60, ≥ 85 %
Time: 3 s on 2 CPU cores
Command: python launch.py train symmetry

784-32-10 with tanh under SGD, side by side from three starts. Where all kernels are 0 no gradient
reaches them, and only the output's bias is learned: how frequent each digit is. Where they are 0.01
every hidden unit gets the same gradient, to the bit: the layer is 32 copies of one unit. The spread
is the largest difference between two units' weights from a pixel, mean over pixels.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import jax.numpy as jnp
from annotated_types import Ge
from jax import Array
from matplotlib.figure import Figure

from dlfun.algorithms.compare_classifiers import compare_classifiers
from dlfun.data.images import normalize
from dlfun.experiment import Claim, Experiment
from dlfun.nn.models.mlp import MLP
from dlfun.optimizers import Optimizer
from dlfun.plots import compared
from dlfun.transforms import with_state_metrics

STARTS = {"zeros": "zeros", "constant": "constant 0.01", "glorot": "Glorot"}
CLAIMS = [
    Claim("test/zeros_spread", "by symmetry", at_most=0),
    Claim("test/constant_spread", "by symmetry", at_most=0),
    Claim("test/glorot_spread", "beside it", at_least=0.1),
    Claim("test/zeros_accuracy", "by symmetry", at_most=0.12),
    Claim("test/constant_accuracy", "by symmetry", at_most=0.6),
    Claim("test/glorot_accuracy", "beside it", at_least=0.85),
]


@dataclass(frozen=True)
class Config:
    """One hidden layer from three starts."""

    hidden: Annotated[int, Ge(2)] = 32
    """Hidden units."""
    examples: Annotated[int, Ge(1)] = 10_000
    """Training images, drawn at random."""
    epochs: Annotated[int, Ge(1)] = 5
    """Passes over them."""
    batch_size: Annotated[int, Ge(1)] = 64
    """Examples per update."""
    optimizer: Optimizer = Optimizer("sgd", 0.1)
    """Optimizer."""
    dataset: str = "mnist"
    """mnist, fashion_mnist, or tfds:NAME for any TFDS image classification set."""
    seed: Annotated[int, Ge(0)] = 0
    """Random seed: of the parameters and the choice and order of the images."""


def spread(state: Any) -> dict[str, Array]:
    """How much the hidden units differ."""
    return {"spread": jnp.ptp(state.params["Dense_0"]["kernel"], axis=1).mean()}


def build(config: Config) -> Experiment:
    """The three networks side by side."""
    models = {start: MLP((config.hidden,), 10, "tanh", start) for start in STARTS}
    return compare_classifiers(
        config, models, normalize(), lambda _, learner: with_state_metrics(learner, spread)
    )


def figures(trained: Any, rows: list[dict]) -> Iterator[tuple[str, Figure]]:
    """Test accuracy against the epoch."""
    title = "Equal hidden units stay equal: a layer of copies is one unit"
    yield "accuracy", compared.draw(title, rows, STARTS, "accuracy")
