"""Ten layers of sigmoids learn with batch normalization, and not at all without it.

Figure: test accuracy ≤ 12 %, normalized ≥ 75 %; running and batch statistics agree on ≥ 85 %
Time: 8 s on 2 CPU cores
Command: python launch.py train batch_normalization

784-64-…-64-10 on 5,000 digits, batch normalization before each activation (Ioffe & Szegedy, 2015).
In evaluation mean and variance are moving averages, or those of all examples seen [T3, sec. 3.1.5],
to which the first updates still contribute. "agreement" is the share of test images that get the
same class under the running statistics as under those of the whole test split.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import flax.linen as nn
import jax.numpy as jnp
from annotated_types import Ge
from jaxtyping import Array, Float
from matplotlib.figure import Figure

from dlfun.algorithms.compare_classifiers import compare_classifiers
from dlfun.config import BatchSize, DatasetName, Epochs, Examples, Seed
from dlfun.data import Dataset, load
from dlfun.data.dataset import subset
from dlfun.data.images import normalize
from dlfun.experiment import Claim, Trained
from dlfun.learner import Key, Learner
from dlfun.nn.models.deep_mlp import DeepMLP
from dlfun.optimizers import Optimizer, make_optimizer

FORMULA = r"""
\operatorname{BN}(z) = \gamma \, \frac{z - \mu_B}{\sqrt{\sigma_B^2 + \epsilon}} + \beta, \quad
\mu_B = \frac{1}{|B|} \sum_{i \in B} z_i, \quad \sigma_B^2 = \frac{1}{|B|} \sum_{i \in B} (z_i -
\mu_B)^2
"""
CLAIMS = [
    Claim("test/moving_accuracy", "Ioffe & Szegedy (2015)", at_least=0.75),
    Claim("test/plain_accuracy", "Ioffe & Szegedy (2015)", at_most=0.12),
    Claim("test/moving_agreement", "Ioffe & Szegedy (2015), sec. 3.1", at_least=0.85),
]
LABELS = {"plain": "plain", "moving": "moving averages", "sums": "sums over all examples seen"}


@dataclass(frozen=True)
class Config:
    """Networks of sigmoids with and without batch normalization."""

    depth: Annotated[int, Ge(1)] = 10
    """Layers of 64 units between the first and the last."""
    examples: Examples = 5_000
    epochs: Epochs = 3
    batch_size: BatchSize = 50
    optimizer: Optimizer = Optimizer(learning_rate=3e-3)
    dataset: DatasetName = "mnist"
    seed: Seed = 0


def data(config: Config) -> Dataset:
    """A random subset of the images."""
    return subset(load(config.dataset), config.seed, train=config.examples)


def models(config: Config, dataset: Dataset) -> dict[str, DeepMLP]:
    """The three networks by name."""
    network = partial(DeepMLP, config.depth, classes=len(dataset.classes), activation="sigmoid")
    return {
        "plain": network(),
        "moving": network(batch_norm="moving"),
        "sums": network(batch_norm="sums"),
    }


def learner(config: Config, dataset: Dataset) -> Learner:
    """The three networks, compared."""
    steps = dataset.steps_per_epoch(config.batch_size)
    optimizer = make_optimizer(config.optimizer, steps, config.epochs)
    return compare_classifiers(models(config, dataset), optimizer, normalize())


def agreement(model: nn.Module, variables: Any, x: Float[Array, "batch ..."]) -> float:
    """Share of examples of equal class under running statistics and under those of `x`."""
    running: Any = model.apply(variables, x)
    batch, _ = model.apply(variables, x, jnp.ones(len(x)), mutable=["batch_stats"])
    return float((jnp.argmax(running, axis=1) == jnp.argmax(batch, axis=1)).mean())


def measure(trained: Trained, key: Key) -> dict[str, float]:
    """The agreement of each normalized network on the whole test split."""
    x = normalize()(jnp.asarray(trained.dataset.splits["test"]["image"]))
    networks = models(trained.config, trained.dataset)
    return {
        f"test/{name}_agreement": agreement(networks[name], trained.state[name].variables, x)
        for name in ("moving", "sums")
    }


def figures(trained: Trained, rows: list[dict]) -> Iterator[tuple[str, Figure]]:
    """Test accuracy against the epoch."""
    from dlfun.plots.compared import metric_by_epoch

    title = f"{trained.config.depth} layers of sigmoids learn with batch normalization"
    yield "accuracy", metric_by_epoch(title, rows, LABELS, "accuracy")
