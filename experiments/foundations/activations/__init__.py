"""The sigmoid learns last of five activations in the same deep MLP, because it saturates.

Figure: after 3 epochs test accuracy ≥ 89 % with ReLU, ≤ 80 % with the sigmoid
Time: 5 s on 2 CPU cores
Command: python launch.py train activations

Four hidden layers of 64 under Adam on 10,000 of MNIST's images [T3, sec. 3.1.1]. Each layer
multiplies the gradient by the derivative of its activation. That of the sigmoid is at most ¼, so
four layers leave less than 1/256 of the gradient; that of the ReLU is 1 wherever it is active.
`plot` draws each activation with its derivative.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from matplotlib.figure import Figure

from dlfun.algorithms.compare_classifiers import compare_classifiers
from dlfun.config import BatchSize, DatasetName, Epochs, Examples, Seed, Widths
from dlfun.data import Dataset, load
from dlfun.data.dataset import subset
from dlfun.data.images import normalize
from dlfun.experiment import Claim, Trained
from dlfun.learner import Learner
from dlfun.nn.activations import ACTIVATIONS
from dlfun.nn.models.mlp import MLP
from dlfun.optimizers import Optimizer, make_optimizer

FORMULA = r"""
\sigma(z) = \frac{1}{1 + e^{-z}}, \quad \sigma'(z) = \sigma(z) (1 - \sigma(z)) \le \frac{1}{4},
\quad \operatorname{ReLU}'(z) = [z > 0]

\frac{\partial L}{\partial h^{(l-1)}} = {W^{(l)}}^\top \left(\phi'(z^{(l)}) \odot \frac{\partial
L}{\partial h^{(l)}}\right)
"""
CLAIMS = [
    Claim("test/relu_accuracy", "[T3, sec. 3.1.1]", at_least=0.89),
    Claim("test/sigmoid_accuracy", "[T3, sec. 3.1.1]", at_most=0.8),
]


@dataclass(frozen=True)
class Config:
    """An MLP with each activation."""

    hidden: Widths = (64, 64, 64, 64)
    """Widths of the hidden layers."""
    examples: Examples = 10_000
    epochs: Epochs = 3
    batch_size: BatchSize = 64
    optimizer: Optimizer = Optimizer()
    dataset: DatasetName = "mnist"
    seed: Seed = 0


def data(config: Config) -> Dataset:
    """A random subset of the images."""
    return subset(load(config.dataset), config.seed, train=config.examples)


def learner(config: Config, dataset: Dataset) -> Learner:
    """The same network with each activation, from the same start."""
    classes, steps = len(dataset.classes), dataset.steps_per_epoch(config.batch_size)
    models = {name: MLP(config.hidden, classes, name) for name in ACTIVATIONS}
    optimizer = make_optimizer(config.optimizer, steps, config.epochs)
    return compare_classifiers(models, optimizer, normalize())


def figures(trained: Trained, rows: list[dict]) -> Iterator[tuple[str, Figure]]:
    """The activations with their derivatives, and the accuracy of the network with each."""
    from dlfun.plots.compared import metric_by_epoch

    from .drawing import activation_curves

    yield "activations", activation_curves(ACTIVATIONS)
    title = "Deep sigmoids learn last: their derivative is at most ¼ a layer"
    names = {name: name.replace("_", " ") for name in ACTIVATIONS}
    yield "accuracy", metric_by_epoch(title, rows, names, metric="accuracy")
