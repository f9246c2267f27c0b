"""A network of two hidden units learns three classes by backpropagation written out.

Figure: test/disagreement with jax.grad ≤ 1e-5 of the gradient; test accuracy ≥ 97 %
Time: 1 s on 2 CPU cores
Command: python launch.py train backpropagation

The worked example of T2: two sigmoid hidden units, three sigmoid outputs, mean squared error, here
on three clusters in the plane. `manual.py` derives each partial derivative, and is meant
to be read; its tests compare them with automatic differentiation to 1e-12 in float64.
"disagreement" is the largest difference between the two gradients over the test examples, as a
share of the largest partial derivative.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt
from matplotlib.figure import Figure

from dlfun.config import BatchSize, Epochs, Seed
from dlfun.data import Dataset
from dlfun.data.generated import clusters
from dlfun.experiment import Claim, Objective, Trained
from dlfun.learner import Key, Learner

from .manual import disagreement, manual_backpropagation

FORMULA = r"""
\delta^{(2)} = \frac{2}{K} (y - t) \odot y \odot (1 - y), \quad \delta^{(1)} = {W^{(2)}}^\top
\delta^{(2)} \odot h \odot (1 - h)

\frac{\partial L}{\partial W^{(2)}} = \delta^{(2)} h^\top, \quad \frac{\partial L}{\partial
W^{(1)}} = \delta^{(1)} x^\top
"""
CLAIMS = [
    Claim("test/disagreement", "[T2]", at_most=1e-5),
    Claim("test/accuracy", "[T2]", at_least=0.97),
]
OBJECTIVE = Objective("accuracy", "max")


@dataclass(frozen=True)
class Config:
    """The network of T2 under gradient descent."""

    learning_rate: Annotated[float, Gt(0)] = 2.0
    """Learning rate η."""
    l2: Annotated[float, Ge(0)] = 0.0
    """Factor λ of the penalty λ/2 ‖W‖²."""
    hidden: Annotated[int, Ge(1)] = 2
    """Number of hidden units."""
    examples: Annotated[int, Ge(3)] = 1000
    """Training examples, and as many test examples."""
    epochs: Epochs = 10
    batch_size: BatchSize = 10
    seed: Seed = 0


def data(config: Config) -> Dataset:
    """Three clusters in the plane."""
    return clusters(config.examples, config.seed)


def learner(config: Config, dataset: Dataset) -> Learner:
    """Gradient descent with the gradient of `manual.py`."""
    return manual_backpropagation(config.learning_rate, config.hidden, config.l2)


def measure(trained: Trained, key: Key) -> dict[str, float]:
    """The difference of the manual and the automatic gradient on the whole test split."""
    test = trained.dataset.splits["test"]
    return {"test/disagreement": disagreement(trained.state, test, trained.config.l2)}


def figures(trained: Trained, rows: list[dict]) -> Iterator[tuple[str, Figure]]:
    """The regions of the three classes and the lines of the two hidden units."""
    from .drawing import regions

    yield "regions", regions(trained.state, trained.dataset)
