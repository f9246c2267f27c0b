"""The kernels and maps of a small convolutional network, and the pixels that decide its class.

Figure: saliency at the ink 61 ± 3 %, more than chance in all images; accuracy 99.1 ± 0.2 %
Time: 40 s on 1 CPU core
Command: python launch.py train feature_maps --shown 3

T3's network (sec. 3.2.3) for three epochs. `plot` draws the kernels, each layer's maps of the test
image `--shown`, and of an image of each class the gradient saliency |∂ logit_c/∂x| (Simonyan et
al., 2014). An image is localized if within a pixel of its ink lies more than an even share of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge
from matplotlib.figure import Figure

from dlfun.algorithms.supervised import supervised
from dlfun.config import BatchSize, DatasetName, Epochs, Seed, Validation, Widths
from dlfun.data import Dataset, load
from dlfun.data.images import normalize
from dlfun.experiment import Claim, Objective, Quick, Trained
from dlfun.learner import Learner
from dlfun.nn.losses import cross_entropy
from dlfun.nn.models.cnn import CNN
from dlfun.optimizers import Optimizer, make_optimizer

from .saliency import with_saliency

FORMULA = r"S(i, j) = \left| \frac{\partial z_c(x)}{\partial x(i, j)} \right|"
CLAIMS = [
    Claim("test/localized", "Simonyan et al. (2014)", at_least=0.99),
    Claim("test/saliency_near_ink", "Simonyan et al. (2014)", at_least=0.5),
    Claim("test/accuracy", "[T3, sec. 3.2.3]", at_least=0.98),
]
QUICK = Quick({"epochs": 1}, [*CLAIMS[:2], CLAIMS[2]._replace(at_least=0.97)])
OBJECTIVE = Objective("accuracy", "max")
INPUTS = normalize(0.1307, 0.3081)


@dataclass(frozen=True)
class Config:
    """The CNN of T3, whose layers are drawn."""

    shown: Annotated[int, Ge(0)] = 0
    """Number of the test image whose maps are drawn."""
    channels: Widths = (32, 64)
    """Channels of each convolution; after each, pooling halves the image."""
    epochs: Epochs = 3
    batch_size: BatchSize = 64
    optimizer: Optimizer = Optimizer()
    dataset: DatasetName = "mnist"
    validation: Validation = 0.0
    seed: Seed = 0


def network(config: Config, dataset: Dataset) -> CNN:
    """T3's network."""
    return CNN(config.channels, (128,), len(dataset.classes))


def data(config: Config) -> Dataset:
    """MNIST's digits, or another set of images."""
    return load(config.dataset, validation=config.validation, seed=config.seed)


def learner(config: Config, dataset: Dataset) -> Learner:
    """The network under cross entropy; evaluation also measures its saliency."""
    model = network(config, dataset)
    steps = dataset.steps_per_epoch(config.batch_size)
    optimizer = make_optimizer(config.optimizer, steps, config.epochs)
    classifier = supervised(model, cross_entropy, optimizer, inputs=INPUTS)
    return with_saliency(classifier, model, INPUTS, normalize())


def figures(trained: Trained, rows: list[dict]) -> Iterator[tuple[str, Figure]]:
    """Kernels, maps of one image, saliency of one of each class."""
    from .drawing import draw

    yield from draw(trained, rows, network(trained.config, trained.dataset), INPUTS)
