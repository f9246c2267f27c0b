"""Fifty layers train where each adds to what it reads, and not where it replaces it [T5, ch. 4].

Figure: test accuracy plain ≤ 12 %, residual ≥ 85 %, residual with batch normalization ≥ 92 %
Time: 15 s on 2 CPU cores
Command: python launch.py train deep_mlp

52 layers on 10,000 digits, three epochs: h ← f(h), h ← h + f(h), and the latter with batch
normalization. Plain, nothing of the image reaches the output. Batch normalization alone would keep
the signals at one scale, but not the gradients, which explode behind so many normalized layers
(Yang et al., 2019): see with --networks plain plain_normalized.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from annotated_types import Ge
from matplotlib.figure import Figure

from dlfun.algorithms.compare_classifiers import compare_classifiers
from dlfun.data.images import normalize
from dlfun.experiment import Claim, Experiment
from dlfun.nn.layers.normalization import Running
from dlfun.nn.models.deep_mlp import DeepMLP
from dlfun.optimizers import Optimizer
from dlfun.plots import compared

Network = Literal["plain", "plain_normalized", "residual", "residual_normalized"]
NETWORKS = {
    "plain": "plain",
    "plain_normalized": "plain, batch normalization",
    "residual": "residual",
    "residual_normalized": "residual, batch normalization",
}
CLAIMS = [
    Claim("test/plain_accuracy", "[T5, ch. 4]", at_most=0.12),
    Claim("test/residual_accuracy", "[T5, ch. 4]", at_least=0.85),
    Claim("test/residual_normalized_accuracy", "[T5, ch. 4]", at_least=0.92),
]


@dataclass(frozen=True)
class Config:
    """Deep networks, side by side."""

    networks: tuple[Network, ...] = ("plain", "residual", "residual_normalized")
    """Which."""
    depth: Annotated[int, Ge(1)] = 50
    """Layers between the first and the last."""
    width: Annotated[int, Ge(1)] = 64
    """Units of each layer."""
    examples: Annotated[int, Ge(1)] = 10_000
    """Training images, drawn at random."""
    epochs: Annotated[int, Ge(1)] = 3
    """Passes over them."""
    batch_size: Annotated[int, Ge(1)] = 100
    """Examples per update."""
    optimizer: Optimizer = Optimizer()
    """Optimizer."""
    dataset: str = "mnist"
    """mnist, fashion_mnist, or tfds:NAME for any TFDS image classification set."""
    seed: Annotated[int, Ge(0)] = 0
    """Random seed: of the parameters and the choice and order of the images."""


def build(config: Config) -> Experiment:
    """The networks side by side."""

    def network(name: str) -> DeepMLP:
        norm: Running | None = "moving" if "normalized" in name else None
        return DeepMLP(config.depth, config.width, residual="residual" in name, batch_norm=norm)

    return compare_classifiers(config, {n: network(n) for n in config.networks}, normalize())


def figures(trained: Any, rows: list[dict]) -> Iterator[tuple[str, Figure]]:
    """Test accuracy against the epoch."""
    title = "Deep networks train where each layer adds to what it reads"
    names = {name: NETWORKS[name] for name in trained.config.networks}
    yield "accuracy", compared.draw(title, rows, names, "accuracy")
