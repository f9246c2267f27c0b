"""The ImageNet recipe, for any classic network and any images, folders of photographs too.

Figure: 75.5 ± 0.1 % by LeNet on Fashion-MNIST after 1 epoch (3 seeds)
Time: 21 s on 1 CPU core
Command: python launch.py train imagenet_recipe

Random crops of 8 to 100 % of the area, resized and mirrored (Szegedy et al., 2015), are decoded and
cropped ahead of each step; a test image is the middle of it. SGD with momentum, weight decay off
biases and norms, blocks that start as the identity, a rate of 0.1 per 256 images that warms up
(Goyal et al., 2017) and falls as a cosine, smoothed labels. The default is small enough to be seen
through on a CPU. Goyal's own training, of PATH/train/CLASS/*.jpg and PATH/validation likewise, is
--dataset folder:PATH --architecture resnet50 --image-size 224 --epochs 90
--optimizer.schedule.warm-up 5; networks without norms need --optimizer.learning-rate 0.01.
"""

from dataclasses import dataclass
from functools import partial
from typing import Annotated

from annotated_types import Ge, Lt

from dlfun.algorithms.supervised import supervised
from dlfun.config import BatchSize, Epochs, Seed, Validation
from dlfun.data import Dataset, load
from dlfun.data.encoded_images import resized
from dlfun.data.images import normalize
from dlfun.experiment import Claim, Objective
from dlfun.learner import Learner
from dlfun.nn.losses import smoothed_cross_entropy
from dlfun.nn.models import architectures
from dlfun.optimizers import Optimizer, Schedule, make_optimizer

FORMULA = r"""
L = -\sum_{k} q_k \log p_k(x), \quad q_k = (1 - \epsilon) \, [k = y] + \frac{\epsilon}{K}

\eta_{\max} = 0.1 \cdot \frac{B}{256}
"""
CLAIMS = [Claim("test/accuracy", "Goyal et al. (2017), recipe", at_least=0.70)]
OBJECTIVE = Objective("accuracy", "max")
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's, of red, green and blue in [0, 1]."""


@dataclass(frozen=True)
class Config:
    """A network by name under the ImageNet recipe."""

    architecture: str = "lenet"
    """alexnet, vgg11, 13, 16 or 19 (with _bn: batch normalization), googlenet (auxiliary heads),
    resnet18, 34, 50, 101 or 152 (with pre before it: pre-activated); for images of about 32×32
    lenet, resnet20, 32, 44, 56 or 110."""
    image_size: Annotated[int, Ge(1)] = 28
    """Height and width of the crops; ImageNet's are 224."""
    epochs: Epochs = 1
    batch_size: BatchSize = 256
    optimizer: Optimizer = Optimizer(
        "nesterov", 0.1, l2=1e-4, schedule=Schedule("cosine", factor=0.0, warm_up=0.25)
    )
    label_smoothing: Annotated[float, Ge(0), Lt(1)] = 0.1
    """ε of the smoothed labels; the losses reported are with it."""
    dataset: str = "fashion_mnist"
    """folder:PATH, arrays:FILE.npz, tfds:NAME, mnist or fashion_mnist."""
    skip_unreadable: bool = False
    """Leave out images that cannot be read, naming them, instead of stopping there."""
    validation: Validation = 0.0
    seed: Seed = 0


def data(config: Config) -> Dataset:
    """Images that are cropped to `image_size` when they are read."""
    stored = load(config.dataset, validation=config.validation, seed=config.seed)
    return resized(stored, config.image_size, config.skip_unreadable)


def learner(config: Config, dataset: Dataset) -> Learner:
    """A network by its name under cross entropy with smoothed labels."""
    model = architectures.build(config.architecture, len(dataset.classes))
    loss = partial(smoothed_cross_entropy, smoothing=config.label_smoothing)
    steps = dataset.steps_per_epoch(config.batch_size)
    optimizer = make_optimizer(config.optimizer, steps, config.epochs)
    return supervised(model, loss, optimizer, inputs=normalize(MEAN, DEVIATION))
