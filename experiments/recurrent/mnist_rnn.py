"""A recurrent network reads handwritten digits row by row [T3, sec. 3.3.2].

Figure: test accuracy ≥ 95.30 % after 10 epochs, as printed
Time: 40 s on 2 CPU cores
Command: python launch.py train mnist_rnn

Two layers of 128 tanh units over 28 rows of 28 pixels, the last state to 10 classes, under Adam
(learning rate 1e-3), batches of 64, pixels scaled to [0, 1].
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Lt

from dlfun.algorithms.classifier import classifier
from dlfun.data.images import normalize
from dlfun.experiment import Claim, Experiment
from dlfun.nn.models.rnn import RecurrentClassifier
from dlfun.optimizers import Optimizer

CLAIMS = [Claim("test/accuracy", "[T3, sec. 3.3.2]", printed=0.9530, at_least=0.9530)]


@dataclass(frozen=True)
class Config:
    """The recurrent classifier of T3 on MNIST's rows."""

    cell: Literal["rnn", "lstm", "gru"] = "rnn"
    """Recurrent cell."""
    hidden: Annotated[int, Ge(1)] = 128
    """Units of each recurrent layer."""
    layers: Annotated[int, Ge(1)] = 2
    """Recurrent layers."""
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
    return classifier(
        config,
        lambda classes: RecurrentClassifier(config.cell, config.hidden, config.layers, classes),
        normalize(),
        cpu_devices=2,
    )
