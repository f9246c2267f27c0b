"""What a small convolutional network sees: its kernels, its maps and the pixels that decide.

Figure: saliency at the ink ≥ 50 %, more than chance in ≥ 99 % of images; test accuracy ≥ 98 %
Time: 1 min on 2 CPU cores
Command: python launch.py train feature_maps --shown 3

T3's network (sec. 3.2.3) for three epochs. `plot` draws the kernels, each layer's maps of the test
image `--shown`, and of an image of each class the gradient saliency |∂ logit_c/∂x| (Simonyan et
al., 2014). An image is localized if within a pixel of its ink lies more than an even share of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from annotated_types import Ge, Lt
from matplotlib.figure import Figure

from dlfun.algorithms.classifier import classifier
from dlfun.data.images import normalize
from dlfun.experiment import Claim, Experiment, Quick
from dlfun.nn.models.cnn import CNN
from dlfun.optimizers import Optimizer

from .saliency import with_saliency

CLAIMS = [
    Claim("test/localized", "Simonyan et al. (2014)", at_least=0.99),
    Claim("test/saliency_near_ink", "Simonyan et al. (2014)", at_least=0.5),
    Claim("test/accuracy", "[T3, sec. 3.2.3]", at_least=0.98),
]
QUICK = Quick({"epochs": 1}, [*CLAIMS[:2], CLAIMS[2]._replace(at_least=0.97)])


@dataclass(frozen=True)
class Config:
    """The CNN of T3, looked into."""

    shown: Annotated[int, Ge(0)] = 0
    """Number of the test image whose maps are drawn."""
    channels: tuple[Annotated[int, Ge(1)], ...] = (32, 64)
    """Channels of each convolution; after each, pooling halves the image."""
    epochs: Annotated[int, Ge(1)] = 3
    """Passes over the training set."""
    batch_size: Annotated[int, Ge(1)] = 64
    """Examples per update."""
    optimizer: Optimizer = Optimizer()
    """Optimizer."""
    dataset: str = "mnist"
    """mnist, fashion_mnist, or tfds:NAME for any TFDS image classification set."""
    validation: Annotated[float, Ge(0), Lt(1)] = 0.0
    """Share of the training set held out for validation."""
    seed: Annotated[int, Ge(0)] = 0
    """Random seed: of the parameters and the order of the data."""


def build(config: Config) -> Experiment:
    """Learner and data of a configuration."""
    inputs = normalize(0.1307, 0.3081)
    made = classifier(config, lambda n: CNN(config.channels, (128,), n), inputs, cpu_devices=2)
    learner = with_saliency(made.learner, made.model, inputs, normalize())
    return made._replace(learner=learner)


def figures(trained: Any, rows: list[dict]) -> Iterator[tuple[str, Figure]]:
    """Kernels, maps of one image, saliency of one of each class."""
    from . import drawing as features

    yield from features.draw(trained, rows)
