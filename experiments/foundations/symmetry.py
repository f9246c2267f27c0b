"""Hidden units that start equal stay equal: zeros and constants never break symmetry.

Figure: range of units ≤ 0 from zeros, ≤ 0.05 constant, else ≥ 0.1; accuracy ≤ 12, ≤ 60, ≥ 85 %
Time: 3 s on 2 CPU cores
Command: python launch.py train symmetry

784-32-10 with tanh under SGD, compared from three starts. Where all kernels are 0 no gradient
reaches them, and only the bias of the output is learned: how frequent each digit is. Where they are
0.01 every hidden unit gets the same gradient: the layer is 32 copies of one unit. The range is the
largest difference between two units' weights from a pixel, mean over pixels. From a constant it is
0 where a processor's matrix product rounds all columns alike; elsewhere rounding separates the
units, and training enlarges the difference (to 0.027 on one that has AVX2 but no AVX-512).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import jax.numpy as jnp
from annotated_types import Ge
from jax import Array
from matplotlib.figure import Figure

from dlfun.algorithms.compare_classifiers import compare_classifiers
from dlfun.algorithms.minimize import MinimizeState
from dlfun.config import BatchSize, DatasetName, Epochs, Examples, Seed
from dlfun.data import Dataset, load
from dlfun.data.dataset import subset
from dlfun.data.images import normalize
from dlfun.experiment import Claim, Trained
from dlfun.learner import Learner
from dlfun.nn.models.mlp import MLP
from dlfun.optimizers import Optimizer, make_optimizer
from dlfun.transforms import with_state_metrics

STARTS = {"zeros": "zeros", "constant": "constant 0.01", "glorot": "Glorot"}
FORMULA = r"""
W_{1 \cdot} = \dots = W_{H \cdot}, \; V_{\cdot 1} = \dots = V_{\cdot H} \quad \Rightarrow \quad
\frac{\partial L}{\partial W_{1 \cdot}} = \dots = \frac{\partial L}{\partial W_{H \cdot}}
"""
CLAIMS = [
    Claim("test/zeros_range", "by symmetry", at_most=0),
    Claim("test/constant_range", "by symmetry", at_most=0.05),
    Claim("test/glorot_range", "beside it", at_least=0.1),
    Claim("test/zeros_accuracy", "by symmetry", at_most=0.12),
    Claim("test/constant_accuracy", "by symmetry", at_most=0.6),
    Claim("test/glorot_accuracy", "beside it", at_least=0.85),
]


@dataclass(frozen=True)
class Config:
    """One hidden layer from three starts."""

    hidden: Annotated[int, Ge(2)] = 32
    """Number of hidden units."""
    examples: Examples = 10_000
    epochs: Epochs = 5
    batch_size: BatchSize = 64
    optimizer: Optimizer = Optimizer("sgd", 0.1)
    dataset: DatasetName = "mnist"
    seed: Seed = 0


def data(config: Config) -> Dataset:
    """A random subset of the images."""
    return subset(load(config.dataset), config.seed, train=config.examples)


def range_of_units(state: MinimizeState) -> dict[str, Array]:
    """The largest difference between the weights of two hidden units, mean over pixels."""
    return {"range": jnp.ptp(state.params["Dense_0"]["kernel"], axis=1).mean()}


def learner(config: Config, dataset: Dataset) -> Learner:
    """The network from each start."""
    classes, steps = len(dataset.classes), dataset.steps_per_epoch(config.batch_size)
    models = {start: MLP((config.hidden,), classes, "tanh", start) for start in STARTS}
    optimizer = make_optimizer(config.optimizer, steps, config.epochs)
    with_range = partial(with_state_metrics, scalars=range_of_units)
    return compare_classifiers(models, optimizer, normalize(), wrap=with_range)


def figures(trained: Trained, rows: list[dict]) -> Iterator[tuple[str, Figure]]:
    """Test accuracy against the epoch."""
    from dlfun.plots.compared import metric_by_epoch

    title = "Equal hidden units stay equal: a layer of copies is one unit"
    yield "accuracy", metric_by_epoch(title, rows, STARTS, "accuracy")
