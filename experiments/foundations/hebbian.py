"""Hebb's rule stores orthogonal patterns exactly, and random ones with crosstalk.

Figure: test loss of orthogonal keys ≤ 1e-6 and accuracy = 1; of random keys ≥ 0.3
Time: 1 s on 2 CPU cores
Command: python launch.py train hebbian

Δw = η x yᵀ with η = 1/‖x‖² (Hebb 1949): a linear associator of 16 pairs of patterns of ±1. A key xₖ
recalls yₖ + Σ_{j≠k} (xⱼ·xₖ)/‖xₖ‖² yⱼ, so random keys of 32 inputs leave a mean squared error of
about 15/32. The same rule, for pairs of a pattern with itself, makes a Hopfield network.
"""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Le

from dlfun.algorithms.perceptron import hebbian
from dlfun.config import Seed
from dlfun.data import Dataset
from dlfun.data.generated import patterns
from dlfun.experiment import Claim
from dlfun.learner import Learner
from dlfun.transforms import compare

FORMULA = r"""
\Delta W = \eta \, x y^\top, \quad \eta = \frac{1}{\lVert x \rVert^2}

W^\top x_k = y_k + \sum_{j \ne k} \frac{x_j \cdot x_k}{\lVert x_k \rVert^2} \, y_j
"""
CLAIMS = [
    Claim("test/orthogonal_loss", "Hebb 1949", at_most=1e-6),
    Claim("test/orthogonal_accuracy", "Hebb 1949", at_least=1),
    Claim("test/random_loss", "Kohonen 1972", at_least=0.3),
]


@dataclass(frozen=True)
class Config:
    """Two associators, of orthogonal and of random keys."""

    pairs: Annotated[int, Ge(1), Le(32)] = 16
    """Pairs to store, of 32 inputs and 32 outputs."""
    epochs: Annotated[int, Ge(1), Le(1)] = 1
    """Presentations of each pair: one, since two would store it doubly."""
    batch_size: Annotated[int, Ge(1)] = 1
    """Pairs per update."""
    seed: Seed = 0


def data(config: Config) -> Dataset:
    """Pairs of patterns."""
    return patterns(config.pairs, config.seed)


def learner(config: Config, dataset: Dataset) -> Learner:
    """The two associators, compared."""
    return compare({kind: hebbian(1 / 32, kind) for kind in ("orthogonal", "random")})
