"""A small convolutional network with dropout learns faster by cross entropy than by squared error.

Figure: test accuracy ≥ 90 % by squared error (94.5 %, three seeds), ≥ 98 % by cross entropy (98.9)
Time: 4 min on 2 CPU cores
Command: python launch.py train t1_convnet

[T1, sec. 3.2.4]: convolution 4×4 to 32 channels, pooling, 3×3 to 32, pooling, each with ReLU,
dropout 0.3 (which keeps 70 %), dense 10 with softmax; squared error of the one-hot label, plain
SGD, batches of 32, 20 epochs. T1 prints no figure and no learning rate: here it is Keras's 0.01.
Beside it the same network from the same start on the same batches under cross entropy. Squared
error multiplies its gradient by the softmax's slope: small where the network is sure, and wrong.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from dlfun import metrics
from dlfun.algorithms.supervised import supervised
from dlfun.config import BatchSize, DatasetName, Dropout, Epochs, Seed
from dlfun.data import Dataset, load
from dlfun.data.images import normalize
from dlfun.experiment import Claim, Objective, Quick, Trained
from dlfun.learner import Learner
from dlfun.nn import losses
from dlfun.nn.models.cnn import DropoutCNN
from dlfun.optimizers import Optimizer, make_optimizer
from dlfun.transforms import compare

LOSSES = {"mse": losses.mse_of_labels, "cross_entropy": losses.cross_entropy}
FORMULA = r"""
L_{\mathrm{mse}} = \frac{1}{K} \sum_k (p_k - [k = y])^2, \quad L_{\mathrm{ce}} = -\log p_y, \quad
p = \operatorname{softmax}(z)

\frac{\partial L_{\mathrm{ce}}}{\partial z_k} = p_k - [k = y], \quad \frac{\partial
L_{\mathrm{mse}}}{\partial z_k} = \frac{2}{K} \, p_k \left(p_k - [k = y] - \sum_j p_j (p_j - [j =
y])\right)
"""
CLAIMS = [
    Claim("test/mse_accuracy", "[T1, sec. 3.2.4]", at_least=0.9),
    Claim("test/cross_entropy_accuracy", "beside [T1, sec. 3.2.4]", at_least=0.98),
]
SLOW = Claim("test/mse_accuracy", "[T1, sec. 3.2.4]", at_most=0.5)
QUICK = Quick({"epochs": 1}, [SLOW, CLAIMS[1]._replace(at_least=0.9)])
OBJECTIVE = Objective("mse_accuracy", "max")


@dataclass(frozen=True)
class Config:
    """The convolutional network of T1 under two losses."""

    dropout: Dropout = 0.3
    """Share of the features dropped before the dense layer."""
    epochs: Epochs = 20
    batch_size: BatchSize = 32
    optimizer: Optimizer = Optimizer("sgd", 0.01)
    dataset: DatasetName = "mnist"
    seed: Seed = 0


def data(config: Config) -> Dataset:
    """MNIST's digits, or another set of images."""
    return load(config.dataset)


def learner(config: Config, dataset: Dataset) -> Learner:
    """The same network under each loss, side by side."""
    model = DropoutCNN(len(dataset.classes), config.dropout)
    steps = dataset.steps_per_epoch(config.batch_size)
    optimizer = make_optimizer(config.optimizer, steps, config.epochs)
    settings: Any = {"inputs": normalize(), "eval_metrics": metrics.accuracy}
    return compare({n: supervised(model, f, optimizer, **settings) for n, f in LOSSES.items()})


def figures(trained: Trained, rows: list[dict]) -> Iterator[tuple[str, Figure]]:
    """Test accuracy of both against the epoch."""
    from dlfun.plots.compared import metric_by_epoch

    ends = {n: 1 - rows[-1][f"{n}_accuracy"] for n in LOSSES}
    title = "Cross entropy learns faster than squared error, and comes further"
    detail = f"test errors at last: {ends['mse']:.2%}, by cross entropy {ends['cross_entropy']:.2%}"
    names = {"mse": "squared error (T1)", "cross_entropy": "cross entropy"}
    yield "losses", metric_by_epoch(title, rows, names, "accuracy", detail=detail)
