"""A perceptron of one hidden layer reads handwritten digits [T3, sec. 3.1.6].

Figure: test accuracy ≥ 97.58 % after 10 epochs, as printed
Time: 5 s on 2 CPU cores
Command: python launch.py train mnist_mlp

784-128-10 with ReLU under Adam (learning rate 1e-3), batches of 64, pixels scaled to [0, 1].
"""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Lt

from dlfun.algorithms.classifier import classifier
from dlfun.data.images import normalize
from dlfun.experiment import Claim, Experiment
from dlfun.nn.models.mlp import MLP
from dlfun.optimizers import Optimizer

CLAIMS = [Claim("test/accuracy", "[T3, sec. 3.1.6]", printed=0.9758, at_least=0.9758)]


@dataclass(frozen=True)
class Config:
    """The MLP of T3 on MNIST."""

    hidden: tuple[Annotated[int, Ge(1)], ...] = (128,)
    """Widths of the hidden layers."""
    epochs: Annotated[int, Ge(1)] = 10
    """Passes over the training set."""
    batch_size: Annotated[int, Ge(1)] = 64
    """Examples per update."""
    optimizer: Optimizer = Optimizer()
    """Optimizer."""
    dataset: str = "mnist"
    """mnist, fashion_mnist, or tfds:NAME for any TFDS image classification set."""
    validation: Annotated[float, Ge(0), Lt(1)] = 0.0
    """Share of the training set held out for validation."""
    seed: Annotated[int, Ge(0)] = 0
    """Random seed: of the parameters, the order of the data and all noise."""


def build(config: Config) -> Experiment:
    """Learner and data of a configuration."""
    return classifier(config, lambda classes: MLP(config.hidden, classes), normalize())
