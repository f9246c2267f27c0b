"""Eight optimizers train the same MLP on MNIST, from the same start on the same batches.

Figure: test loss ≤ 0.26 by adam, ≥ 0.26 still by sgd; test accuracy ≥ 92 % by adam
Time: 6 s on 2 CPU cores
Command: python launch.py train optimizers_mnist

784-128-10 with ReLU, batches of 64 [T3, sec. 3.1.6], on 10,000 of the training images. Each update
rule has a learning rate of its own, `--rates.adam 3e-4`: compared at one rate, most would look bad.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from annotated_types import Ge
from matplotlib.figure import Figure

from dlfun import data, metrics
from dlfun.algorithms.supervised import supervised
from dlfun.data.dataset import subset
from dlfun.data.images import normalize
from dlfun.experiment import Claim, Experiment
from dlfun.nn import losses
from dlfun.nn.models.mlp import MLP
from dlfun.optimizers import Rates, make_optimizer
from dlfun.transforms import compare

CLAIMS = [
    Claim("test/adam_loss", "[T3, sec. 3.1.4]", at_most=0.26),
    Claim("test/adam_accuracy", "[T3, sec. 3.1.4]", at_least=0.92),
    Claim("test/sgd_loss", "[T3, sec. 3.1.4]", at_least=0.26),
]


@dataclass(frozen=True)
class Config:
    """The MLP of T3 under eight optimizers."""

    rates: Rates = Rates()
    """Learning rate of each."""
    hidden: tuple[Annotated[int, Ge(1)], ...] = (128,)
    """Widths of the hidden layers."""
    examples: Annotated[int, Ge(1)] = 10_000
    """Training images."""
    epochs: Annotated[int, Ge(1)] = 5
    """Passes over them."""
    batch_size: Annotated[int, Ge(1)] = 64
    """Examples per update."""
    dataset: str = "mnist"
    """mnist, fashion_mnist, or tfds:NAME for any TFDS image classification set."""
    seed: Annotated[int, Ge(0)] = 0
    """Random seed: of the images chosen, the parameters and the order."""


def build(config: Config) -> Experiment:
    """The eight side by side."""
    c = config
    dataset = subset(data.load(c.dataset), c.seed, train=c.examples)
    model = MLP(c.hidden, len(dataset.classes))
    loss, measure = losses.cross_entropy, metrics.accuracy
    learners = {
        name: supervised(model, loss, make_optimizer(one), inputs=normalize(), measure=measure)
        for name, one in c.rates.optimizers().items()
    }
    return Experiment(compare(learners), dataset, c.epochs, c.batch_size, c.seed)


def figures(trained: Any, rows: list[dict]) -> Iterator[tuple[str, Figure]]:
    """Training loss against the epoch."""
    from dlfun.plots.compared import draw

    names = {
        n: f"{n}, η = {o.learning_rate:g}" for n, o in trained.config.rates.optimizers().items()
    }
    best = min(names, key=lambda name: rows[-2][f"{name}_loss"])
    title = f"Eight optimizers on one MLP: lowest training loss by {best}"
    yield "optimizers", draw(title, rows, names, split="train", log=True)
