"""Eight optimizers train the same MLP on MNIST, from the same start on the same batches.

Figure: test loss ≤ 0.26 by adam, ≥ 0.26 still by sgd; test accuracy ≥ 92 % by adam
Time: 6 s on 2 CPU cores
Command: python launch.py train optimizers_mnist

784-128-10 with ReLU, batches of 64 [T3, sec. 3.1.6], on 10,000 of the training images. Each update
rule has its own learning rate, `--rates.adam 3e-4`: compared at one rate, most would look bad.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from matplotlib.figure import Figure

from dlfun import metrics
from dlfun.algorithms.supervised import supervised
from dlfun.config import BatchSize, DatasetName, Epochs, Examples, Seed, Widths
from dlfun.data import Dataset, load
from dlfun.data.dataset import subset
from dlfun.data.images import normalize
from dlfun.experiment import Claim, Trained
from dlfun.learner import Learner
from dlfun.nn import losses
from dlfun.nn.models.mlp import MLP
from dlfun.optimizers import Rates, make_optimizer
from dlfun.transforms import compare

FORMULA = r"""
m_t = \beta_1 m_{t-1} + (1 - \beta_1) g_t, \quad v_t = \beta_2 v_{t-1} + (1 - \beta_2) g_t^2,
\quad \theta_t = \theta_{t-1} - \eta \, \frac{m_t / (1 - \beta_1^t)}{\sqrt{v_t / (1 - \beta_2^t)}
+ \epsilon}
"""
CLAIMS = [
    Claim("test/adam_loss", "[T3, sec. 3.1.4]", at_most=0.26),
    Claim("test/adam_accuracy", "[T3, sec. 3.1.4]", at_least=0.92),
    Claim("test/sgd_loss", "[T3, sec. 3.1.4]", at_least=0.26),
]


@dataclass(frozen=True)
class Config:
    """The MLP of T3 under eight optimizers."""

    rates: Rates = Rates()
    """Learning rate of each optimizer."""
    hidden: Widths = (128,)
    """Widths of the hidden layers."""
    examples: Examples = 10_000
    epochs: Epochs = 5
    batch_size: BatchSize = 64
    dataset: DatasetName = "mnist"
    seed: Seed = 0


def data(config: Config) -> Dataset:
    """A random subset of the images."""
    return subset(load(config.dataset), config.seed, train=config.examples)


def learner(config: Config, dataset: Dataset) -> Learner:
    """The eight optimizers, compared."""
    model, inputs = MLP(config.hidden, len(dataset.classes)), normalize()
    classifier = partial(
        supervised, model, losses.cross_entropy, inputs=inputs, eval_metrics=metrics.accuracy
    )
    optimizers = config.rates.optimizers()
    return compare({name: classifier(make_optimizer(o)) for name, o in optimizers.items()})


def figures(trained: Trained, rows: list[dict]) -> Iterator[tuple[str, Figure]]:
    """Training loss against the epoch."""
    from dlfun.plots.compared import metric_by_epoch

    optimizers = trained.config.rates.optimizers()
    labels = {name: f"{name}, η = {o.learning_rate:g}" for name, o in optimizers.items()}
    best = min(labels, key=lambda name: rows[-2][f"{name}_loss"])
    title = f"Eight optimizers on one MLP: lowest training loss by {best}"
    yield "optimizers", metric_by_epoch(title, rows, labels, split="train", log=True)
