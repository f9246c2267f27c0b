"""A recurrent network reads handwritten digits row by row [T3, sec. 3.3.2].

Figure: test accuracy ≥ 95.30 % after 10 epochs, as printed
Time: 40 s on 2 CPU cores
Command: python launch.py train mnist_rnn

Two layers of 128 tanh units over 28 rows of 28 pixels, the last state to 10 classes, under Adam
(learning rate 1e-3), batches of 64, pixels scaled to [0, 1].
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge

from dlfun.algorithms.supervised import supervised
from dlfun.config import BatchSize, DatasetName, Epochs, Seed, Validation
from dlfun.data import Dataset, load
from dlfun.data.images import normalize
from dlfun.experiment import Claim, Objective, Quick
from dlfun.learner import Learner
from dlfun.nn.losses import cross_entropy
from dlfun.nn.models.rnn import RecurrentClassifier
from dlfun.optimizers import Optimizer, make_optimizer

FORMULA = r"""
h^{(l)}_t = \tanh(W_l h^{(l-1)}_t + U_l h^{(l)}_{t-1} + b_l), \quad h^{(0)}_t = x_t

p(y \mid x) = \operatorname{softmax}(V h^{(2)}_{28} + c)_y
"""
CLAIMS = [Claim("test/accuracy", "[T3, sec. 3.3.2]", printed=0.9530, at_least=0.9530)]
QUICK = Quick({"epochs": 1}, [Claim("test/accuracy", "[T3, sec. 3.3.2]", at_least=0.85)])
OBJECTIVE = Objective("accuracy", "max")


@dataclass(frozen=True)
class Config:
    """The recurrent classifier of T3 on MNIST's rows."""

    cell: Literal["rnn", "lstm", "gru"] = "rnn"
    """Recurrent cell."""
    hidden: Annotated[int, Ge(1)] = 128
    """Units of each recurrent layer."""
    layers: Annotated[int, Ge(1)] = 2
    """Recurrent layers."""
    epochs: Epochs = 10
    batch_size: BatchSize = 64
    optimizer: Optimizer = Optimizer()
    dataset: DatasetName = "mnist"
    validation: Validation = 0.0
    seed: Seed = 0


def data(config: Config) -> Dataset:
    """MNIST's digits, or another set of images."""
    return load(config.dataset, validation=config.validation, seed=config.seed)


def learner(config: Config, dataset: Dataset) -> Learner:
    """The recurrent network under cross entropy."""
    classes = len(dataset.classes)
    model = RecurrentClassifier(config.cell, config.hidden, config.layers, classes)
    steps = dataset.steps_per_epoch(config.batch_size)
    optimizer = make_optimizer(config.optimizer, steps, config.epochs)
    return supervised(model, cross_entropy, optimizer, inputs=normalize())
