"""Four convolutions and a global average, no hidden layer, tell clothes apart [T2].

Figure: test accuracy ≥ 92 % (T2 prints none; measured: 92.40 %, one seed)
Time: 5 min on 2 CPU cores
Command: python launch.py train t2_cnn

Convolutions 3×3 of 32, 64, 128 and 256 channels with ReLU, max-pooling 2×2 after the first three,
the average of each of the 256 maps, dense 10. T2's listing stops at the third block: the fourth
convolution and the global average are meant, which makes 390,410 parameters. T2 names neither data
nor training: Fashion-MNIST, Adam, 10 epochs and a cosine to 0 are ours.
"""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Lt

from dlfun.algorithms.classifier import classifier
from dlfun.data.images import normalize
from dlfun.experiment import Claim, Experiment, Quick
from dlfun.nn.models.cnn import CNN
from dlfun.optimizers import Optimizer, Schedule

CLAIMS = [Claim("test/accuracy", "[T2]", at_least=0.92)]
QUICK = Quick({"examples": 10_000, "epochs": 2}, [Claim("test/accuracy", "[T2]", at_least=0.7)])


@dataclass(frozen=True)
class Config:
    """The CNN of T2 on Fashion-MNIST."""

    channels: tuple[Annotated[int, Ge(1)], ...] = (32, 64, 128, 256)
    """Channels of each convolution; after each but the last, pooling halves the image."""
    examples: Annotated[int, Ge(1)] = 60_000
    """Training images, drawn at random."""
    epochs: Annotated[int, Ge(1)] = 10
    """Passes over them."""
    batch_size: Annotated[int, Ge(1)] = 64
    """Examples per update."""
    optimizer: Optimizer = Optimizer(schedule=Schedule("cosine", factor=0.0))
    """Optimizer."""
    dataset: str = "fashion_mnist"
    """mnist, fashion_mnist, or tfds:NAME for any TFDS image classification set."""
    validation: Annotated[float, Ge(0), Lt(1)] = 0.0
    """Share of the training set held out for validation."""
    seed: Annotated[int, Ge(0)] = 0
    """Random seed: of the parameters and the order of the data."""


def build(config: Config) -> Experiment:
    """Learner and data of a configuration."""
    return classifier(
        config,
        lambda classes: CNN(config.channels, (), classes, average=True),
        normalize(0.2860, 0.3530),
        cpu_devices=2,
        examples=config.examples,
    )
