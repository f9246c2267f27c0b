"""A perceptron of one hidden layer reads handwritten digits [T3, sec. 3.1.6].

Figure: test accuracy ≥ 97.58 % after 10 epochs, as printed
Time: 5 s on 2 CPU cores
Command: python launch.py train mnist_mlp

784-128-10 with ReLU under Adam (learning rate 1e-3), batches of 64, pixels scaled to [0, 1].
"""

from dataclasses import dataclass

from dlfun.algorithms.supervised import supervised
from dlfun.config import BatchSize, DatasetName, Epochs, Seed, Validation, Widths
from dlfun.data import Dataset, load
from dlfun.data.images import normalize
from dlfun.experiment import Claim, Objective, Quick
from dlfun.learner import Learner
from dlfun.nn.losses import cross_entropy
from dlfun.nn.models.mlp import MLP
from dlfun.optimizers import Optimizer, make_optimizer

FORMULA = r"""
p(y \mid x) = \operatorname{softmax}(W_2 \max(0, W_1 x + b_1) + b_2)_y, \quad L = -\frac{1}{N}
\sum_{i=1}^{N} \log p(y_i \mid x_i)
"""
SOURCE = "[T3, sec. 3.1.6]"
CLAIMS = [Claim("test/accuracy", SOURCE, printed=0.9758, at_least=0.9758)]
QUICK = Quick({"epochs": 5}, [Claim("test/accuracy", SOURCE, at_least=0.965)])
OBJECTIVE = Objective("accuracy", "max")


@dataclass(frozen=True)
class Config:
    """The MLP of T3 on MNIST."""

    hidden: Widths = (128,)
    """Widths of the hidden layers."""
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
    """The MLP under cross entropy."""
    model = MLP(config.hidden, len(dataset.classes))
    steps = dataset.steps_per_epoch(config.batch_size)
    optimizer = make_optimizer(config.optimizer, steps, config.epochs)
    return supervised(model, cross_entropy, optimizer, inputs=normalize())
