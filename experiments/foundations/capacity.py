"""Test error against capacity is a U: too low a degree underfits, too high a degree overfits.

Figure: test loss ≥ 0.15 of degree 1, ≤ 0.05 of degree 5, ≥ 0.5 of degree 15
Time: 1 s on 2 CPU cores
Command: python launch.py train capacity

Polynomials of rising degree, fitted by least squares to 20 noisy values of sin(πx) on [−1, 1], and
tested against the sine itself [T3, sec. 3.1.5; Goodfellow et al. 2016, sec. 5.2]. The training
error only falls with the degree.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Le
from matplotlib.figure import Figure

from dlfun.algorithms.linear_regression import polynomial, ridge
from dlfun.config import Seed, Static
from dlfun.data import Dataset
from dlfun.data.generated import curve
from dlfun.experiment import Claim, Trained
from dlfun.learner import Learner
from dlfun.transforms import compare

FORMULA = r"""
\hat{w} = \operatorname{argmin}_w \sum_{i=1}^{20} \left(\sum_{k=0}^{d} w_k x_i^k - y_i\right)^2,
\quad y_i = \sin(\pi x_i) + \epsilon_i
"""
CLAIMS = [
    Claim("test/degree_5_loss", "[T3, sec. 3.1.5]", at_most=0.05),
    Claim("test/degree_1_loss", "[T3, sec. 3.1.5]", at_least=0.15),
    Claim("test/degree_15_loss", "[T3, sec. 3.1.5]", at_least=0.5),
]


@dataclass(frozen=True)
class Config:
    """Polynomials of odd degree on a noisy sine."""

    degrees: tuple[Annotated[int, Ge(1), Le(40)], ...] = (1, 3, 5, 7, 9, 11, 13, 15)
    """Degrees to compare."""
    l2: Annotated[float, Ge(0)] = 0.0
    """Factor λ of an L2 penalty: 1e-4 lowers the right end of the U."""
    examples: Annotated[int, Ge(2)] = 20
    """Training points."""
    noise: Annotated[float, Ge(0), Static] = 0.2
    """Standard deviation of the noise of the training points."""
    epochs: Annotated[int, Ge(1)] = 1
    """Times to solve; once is enough."""
    batch_size: Annotated[int, Ge(1)] = 20
    """Points to solve for: all of them."""
    seed: Seed = 0


def data(config: Config) -> Dataset:
    """Noisy points of a sine for training, the sine itself for the test."""
    return curve(lambda x: np.sin(np.pi * x), config.examples, config.seed, config.noise)


def learner(config: Config, dataset: Dataset) -> Learner:
    """A least-squares fit of each degree."""
    return compare({f"degree_{d}": ridge(config.l2, polynomial(d)) for d in config.degrees})


def figures(trained: Trained, rows: list[dict]) -> Iterator[tuple[str, Figure]]:
    """Training and test error against the degree, and three of the fits."""
    from dlfun.plots.capacity import error_by_capacity, polynomial_fits

    errors = {row["split"]: row for row in rows[-2:]}
    names = {degree: f"degree_{degree}" for degree in trained.config.degrees}
    title = "Training error only falls; test error is a U, lowest at {best}"
    yield "capacity", error_by_capacity(title, errors, names, "degree of the polynomial")
    yield "fits", polynomial_fits(trained.dataset, trained.state, names)
