"""Signals and gradients through 50 untrained layers: He's scheme for ReLU, Glorot's for tanh.

Figure: decades in 50 layers: He, ReLU -2 to 2; Glorot, ReLU ≤ -12, tanh ≥ -3, sigmoid ≤ -60
Time: 5 s on 2 CPU cores
Command: python launch.py train initialization_variance

Glorot & Bengio (2010), He et al. (2015) and Saxe et al. (2014) on digits, layers of 128 units.
Variance is over the units of a layer. Of ReLU's input half is lost, so the variance 2/F_in keeps
what 1/F_in halves in each layer: 2⁻⁴⁹ is 10⁻¹⁴·⁸; U(±1/√F_in) leaves 6⁻⁴⁹, 10⁻³⁸. The sigmoid's
slope is at most 1/4: no scheme here saves its gradients. Zeros and constants have no variance over
units: see `symmetry`. Nothing is learned here: an epoch of this learner is one look at the data.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from annotated_types import Ge
from matplotlib.figure import Figure

from dlfun import data
from dlfun.data.dataset import subset
from dlfun.data.images import normalize
from dlfun.experiment import Claim, Experiment
from dlfun.metrics import values
from dlfun.train import loop

from . import drawing as plots
from .learner import propagation

SCHEMES = ("uniform", "glorot", "he", "orthogonal")
ACTIVATIONS = ("relu", "tanh", "sigmoid")
CLAIMS = [
    Claim("test/he_relu_activations", "He et al. (2015), sec. 2.2", at_least=-2, at_most=2),
    Claim("test/he_relu_gradients", "He et al. (2015), sec. 2.2", at_least=-2, at_most=2),
    Claim("test/glorot_relu_activations", "He et al. (2015), sec. 2.2", at_most=-12),
    Claim("test/glorot_tanh_gradients", "Glorot & Bengio (2010), sec. 4.2", at_least=-3),
    Claim("test/orthogonal_tanh_gradients", "Saxe et al. (2014)", at_least=-3),
    Claim("test/glorot_sigmoid_gradients", "Glorot & Bengio (2010), sec. 3", at_most=-60),
]


@dataclass(frozen=True)
class Config:
    """Deep networks that are only measured."""

    depth: Annotated[int, Ge(2)] = 50
    """Layers."""
    width: Annotated[int, Ge(2)] = 128
    """Units of each layer."""
    examples: Annotated[int, Ge(1)] = 500
    """Images of each split, drawn at random."""
    batch_size: Annotated[int, Ge(1)] = 100
    """Examples measured at once."""
    dataset: str = "mnist"
    """mnist, fashion_mnist, or tfds:NAME for any TFDS image classification set."""
    seed: Annotated[int, Ge(0)] = 0
    """Random seed: of the weights and the choice of images."""


def build(config: Config) -> Experiment:
    """Learner and data of a configuration."""
    size = config.examples
    dataset = subset(data.load(config.dataset), config.seed, train=size, test=size)
    inputs, classes = normalize(0.1307, 0.3081), len(dataset.classes)
    learner = propagation(SCHEMES, ACTIVATIONS, config.depth, config.width, classes, inputs)
    return Experiment(learner, dataset, 1, config.batch_size, config.seed)


def figures(trained: Any, rows: list[dict]) -> Iterator[tuple[str, Figure]]:
    """The variance of activations and gradients, layer by layer."""
    title = "Each activation has its scheme: He for ReLU, Glorot for tanh; none saves the sigmoid"
    depth, width = trained.config.depth, trained.config.width
    detail = f"{depth} layers of {width} units before training, mean over examples of log variance"
    measured = values(loop.evaluate(trained.experiment, trained.position.state)["test"])
    yield "variance", plots.draw(title, detail, measured, SCHEMES, ACTIVATIONS)
