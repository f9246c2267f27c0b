"""Fifty layers train where each adds to what it reads, and not where it replaces it [T5, ch. 4].

Figure: test accuracy plain ≤ 12 %, residual ≥ 85 %, residual with batch normalization ≥ 92 %
Time: 15 s on 2 CPU cores
Command: python launch.py train deep_mlp

52 layers on 10,000 digits, three epochs: h ← f(h), h ← h + f(h), and the latter with batch
normalization. In the plain network nothing of the image reaches the output. Batch normalization
alone would keep the signals at one scale, but gradients explode through so many normalized layers
(Yang et al., 2019): see with --networks plain plain_normalized.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge
from matplotlib.figure import Figure

from dlfun.algorithms.compare_classifiers import compare_classifiers
from dlfun.config import BatchSize, DatasetName, Epochs, Examples, Seed
from dlfun.data import Dataset, load
from dlfun.data.dataset import subset
from dlfun.data.images import normalize
from dlfun.experiment import Claim, Trained
from dlfun.learner import Learner
from dlfun.nn.models.deep_mlp import DeepMLP
from dlfun.optimizers import Optimizer, make_optimizer

FORMULA = r"""
h_{l+1} = f(h_l) \quad \text{or} \quad h_{l+1} = h_l + f(h_l), \quad f(h) = W
\phi(\operatorname{norm}(h)) + b

\frac{\partial h_L}{\partial h_0} = \prod_l \left(I + \frac{\partial f}{\partial h_l}\right)
"""
CLAIMS = [
    Claim("test/residual_normalized_accuracy", "[T5, ch. 4]", at_least=0.92),
    Claim("test/residual_accuracy", "[T5, ch. 4]", at_least=0.85),
    Claim("test/plain_accuracy", "[T5, ch. 4]", at_most=0.12),
]
Network = Literal["plain", "plain_normalized", "residual", "residual_normalized"]


@dataclass(frozen=True)
class Config:
    """Deep networks, compared."""

    networks: tuple[Network, ...] = ("plain", "residual", "residual_normalized")
    """Networks to compare; the normalized ones have batch normalization."""
    depth: Annotated[int, Ge(1)] = 50
    """Layers between the first and the last."""
    width: Annotated[int, Ge(1)] = 64
    """Units of each layer."""
    examples: Examples = 10_000
    epochs: Epochs = 3
    batch_size: BatchSize = 100
    optimizer: Optimizer = Optimizer()
    dataset: DatasetName = "mnist"
    seed: Seed = 0


def data(config: Config) -> Dataset:
    """A random subset of the images."""
    return subset(load(config.dataset), config.seed, train=config.examples)


def learner(config: Config, dataset: Dataset) -> Learner:
    """The networks, each trained alike."""

    def network(name: str) -> DeepMLP:
        return DeepMLP(
            config.depth,
            config.width,
            len(dataset.classes),
            residual="residual" in name,
            batch_norm="moving" if "normalized" in name else None,
        )

    models: dict[str, DeepMLP] = {name: network(name) for name in config.networks}
    steps = dataset.steps_per_epoch(config.batch_size)
    optimizer = make_optimizer(config.optimizer, steps, config.epochs)
    return compare_classifiers(models, optimizer, normalize())


def figures(trained: Trained, rows: list[dict]) -> Iterator[tuple[str, Figure]]:
    """Test accuracy against the epoch."""
    from dlfun.plots.compared import metric_by_epoch

    title = "Deep networks train where each layer adds to what it reads"
    labels = {n: n.replace("_normalized", ", batch normalization") for n in trained.config.networks}
    yield "accuracy", metric_by_epoch(title, rows, labels, "accuracy")
