"""Four convolutions and a global average, no hidden layer, tell clothes apart [T2].

Figure: 390410 parameters; test accuracy ≥ 92 % (T2 prints none)
Time: 5 min on 2 CPU cores
Command: python launch.py train t2_cnn

Convolutions 3×3 of 32, 64, 128 and 256 channels with ReLU, max-pooling 2×2 after the first three,
the average of each of the 256 maps, dense 10. T2's listing stops at the third block: the fourth
convolution and the global average are meant. Its 390,410 parameters are checked by a claim. T2
names neither data nor training: Fashion-MNIST, Adam, 10 epochs and a cosine to 0 are ours.
"""

from dataclasses import dataclass
from typing import Annotated

import jax
import jax.numpy as jnp
from annotated_types import Ge, Lt

from dlfun.data.images import normalize
from dlfun.experiment import Claim, Experiment, Quick
from dlfun.learners.classifier import classifier
from dlfun.learners.supervised import SupervisedState
from dlfun.learners.transform import telling
from dlfun.models.cnn import CNN
from dlfun.optimizers import Optimizer
from dlfun.schedules import Schedule

COUNT = Claim("test/parameters", "[T2]", 390_410, at_least=390_410, at_most=390_410)
CLAIMS = [COUNT, Claim("test/accuracy", "[T2]", at_least=0.92)]
QUICK = Quick({"epochs": 1}, [COUNT, Claim("test/accuracy", "[T2]", at_least=0.8)])


@dataclass(frozen=True)
class Config:
    """The CNN of T2 on Fashion-MNIST."""

    channels: tuple[Annotated[int, Ge(1)], ...] = (32, 64, 128, 256)
    """Channels of each convolution; after each but the last, pooling halves the image."""
    epochs: Annotated[int, Ge(1)] = 10
    """Passes over the training set."""
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
    made = classifier(
        config,
        lambda classes: CNN(config.channels, (), classes, average=True),
        normalize(0.2860, 0.3530),
        cpu_devices=2,
    )

    def parameters(state: SupervisedState) -> dict[str, jax.Array]:
        count = sum(leaf.size for leaf in jax.tree.leaves(state.params))
        return {"parameters": jnp.asarray(count, jnp.float32)}

    return made._replace(learner=telling(made.learner, parameters))
