"""Ten layers of sigmoids learn where each is normalized, and not at all where none is.

Figure: test accuracy ≤ 12 %, normalized ≥ 75 %; running and batch statistics agree on ≥ 85 %
Time: 8 s on 2 CPU cores
Command: python launch.py train batch_normalization

784-64-…-64-10 on 5,000 digits, batch normalization before every activation (Ioffe & Szegedy, 2015).
For the test, mean and variance are moving averages, or sums over all examples seen
[T3, sec. 3.1.5]. Sums are the data's own where the layers below stand still (a test says so); these
move, and the sums remember what was seen early. "agreement" is the share of test images that get
the same class under the running statistics as under those of the test batch itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from annotated_types import Ge
from matplotlib.figure import Figure

from dlfun.algorithms.compare_classifiers import compare_classifiers
from dlfun.data.images import normalize
from dlfun.experiment import Claim, Experiment
from dlfun.nn.models.deep_mlp import DeepMLP
from dlfun.optimizers import Optimizer
from dlfun.plots import compared

from .agreement import with_batch_statistics_agreement

CLAIMS = [
    Claim("test/plain_accuracy", "Ioffe & Szegedy (2015)", at_most=0.12),
    Claim("test/moving_accuracy", "Ioffe & Szegedy (2015)", at_least=0.75),
    Claim("test/moving_agreement", "Ioffe & Szegedy (2015), sec. 3.1", at_least=0.85),
]
NETWORKS = {
    "plain": "plain",
    "moving": "batch normalization, moving averages",
    "sums": "batch normalization, sums over all seen",
}


@dataclass(frozen=True)
class Config:
    """Networks of sigmoids with and without batch normalization, side by side."""

    depth: Annotated[int, Ge(1)] = 10
    """Layers of 64 units between the first and the last."""
    examples: Annotated[int, Ge(1)] = 5_000
    """Training images, drawn at random."""
    epochs: Annotated[int, Ge(1)] = 3
    """Passes over them."""
    batch_size: Annotated[int, Ge(1)] = 50
    """Examples per update."""
    optimizer: Optimizer = Optimizer(learning_rate=3e-3)
    """Optimizer."""
    dataset: str = "mnist"
    """mnist, fashion_mnist, or tfds:NAME for any TFDS image classification set."""
    seed: Annotated[int, Ge(0)] = 0
    """Random seed: of the parameters and the choice and order of the images."""


def build(config: Config) -> Experiment:
    """The three networks side by side."""
    network = partial(DeepMLP, config.depth, activation="sigmoid")
    models = {
        "plain": network(),
        "moving": network(batch_norm="moving"),
        "sums": network(batch_norm="sums"),
    }
    inputs = normalize()
    return compare_classifiers(
        config, models, inputs, partial(with_batch_statistics_agreement, inputs=inputs)
    )


def figures(trained: Any, rows: list[dict]) -> Iterator[tuple[str, Figure]]:
    """Test accuracy against the epoch."""
    title = f"{trained.config.depth} layers of sigmoids learn where each is normalized"
    yield "accuracy", compared.draw(title, rows, NETWORKS, "accuracy")
