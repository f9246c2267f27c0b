"""A network of two hidden units learns three classes by the chain rule written out.

Figure: test/disagreement with jax.grad ≤ 1e-5 of the gradient; test accuracy ≥ 97 %
Time: 1 s on 2 CPU cores
Command: python launch.py train backpropagation

The worked example of T2: two sigmoid hidden units, three sigmoid outputs, mean squared error, here
on three clusters in the plane. `manual.py` derives every partial derivative, and is meant
to be read; its tests compare them with automatic differentiation to 1e-12 in float64.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from annotated_types import Ge, Gt
from matplotlib.figure import Figure

from dlfun.data.generated import clusters
from dlfun.experiment import Claim, Experiment

from .manual import manual_backpropagation

CLAIMS = [
    Claim("test/disagreement", "[T2]", at_most=1e-5),
    Claim("test/accuracy", "[T2]", at_least=0.97),
]


@dataclass(frozen=True)
class Config:
    """The network of T2 under gradient descent."""

    learning_rate: Annotated[float, Gt(0)] = 2.0
    """η."""
    l2: Annotated[float, Ge(0)] = 0.0
    """λ of the penalty λ/2 ‖W‖²."""
    hidden: Annotated[int, Ge(1)] = 2
    """Hidden units."""
    examples: Annotated[int, Ge(3)] = 1000
    """For training, and as many for the test."""
    epochs: Annotated[int, Ge(1)] = 10
    """Passes over the examples."""
    batch_size: Annotated[int, Ge(1)] = 10
    """Examples per update."""
    seed: Annotated[int, Ge(0)] = 0
    """Random seed: of the examples, the weights and the order."""


def build(config: Config) -> Experiment:
    """Gradient descent with the gradient written by hand."""
    c = config
    learner = manual_backpropagation(c.learning_rate, c.hidden, c.l2)
    return Experiment(learner, clusters(c.examples, c.seed), c.epochs, c.batch_size, c.seed)


def figures(trained: Any, rows: list[dict]) -> Iterator[tuple[str, Figure]]:
    """The regions of the three classes and the lines of the two hidden units."""
    from .drawing import regions

    yield "regions", regions(trained.position.state, trained.experiment.dataset)
