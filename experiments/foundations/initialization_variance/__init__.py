"""He's scheme keeps the variance of ReLU layers over 50 untrained layers, Glorot's that of tanh.

Figure: decades in 50 layers: He, ReLU -2 to 2; Glorot, ReLU ≤ -12, tanh ≥ -3, sigmoid ≤ -60
Time: 5 s on 2 CPU cores
Command: python launch.py train initialization_variance

Glorot & Bengio (2010), He et al. (2015) and Saxe et al. (2014) on digits, layers of 128 units.
Variance is over the units of a layer. ReLU loses half of its input, so the variance 2/F_in keeps
what 1/F_in halves in each layer: 2⁻⁴⁹ is 10⁻¹⁴·⁸; U(±1/√F_in) leaves 6⁻⁴⁹, 10⁻³⁸. The sigmoid's
slope is at most 1/4: no scheme here saves its gradients. Zeros and constants have no variance over
units: see `symmetry`. Nothing is learned: an epoch measures the networks once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge
from matplotlib.figure import Figure

from dlfun.config import DatasetName, Seed
from dlfun.data import Dataset, load
from dlfun.data.dataset import subset
from dlfun.data.images import normalize
from dlfun.experiment import Claim, Stage, Trained
from dlfun.train.gather import evaluate_split

from .propagation import propagation

SCHEMES = ("uniform", "glorot", "he", "orthogonal")
ACTIVATIONS = ("relu", "tanh", "sigmoid")
FORMULA = r"""
\operatorname{Var} z^{(l)} = F_{\mathrm{in}} \operatorname{Var} W \; \mathbb{E}
\left[\left(h^{(l-1)}\right)^2\right]

\text{He: } \operatorname{Var} W = \frac{2}{F_{\mathrm{in}}}, \quad \text{Glorot: }
\operatorname{Var} W = \frac{2}{F_{\mathrm{in}} + F_{\mathrm{out}}}
"""
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
    """Deep networks that are measured and not trained."""

    depth: Annotated[int, Ge(2)] = 50
    """Number of layers."""
    width: Annotated[int, Ge(2)] = 128
    """Units of each layer."""
    examples: Annotated[int, Ge(1)] = 500
    """Images of each split, drawn at random."""
    batch_size: Annotated[int, Ge(1)] = 100
    """Examples measured at once."""
    dataset: DatasetName = "mnist"
    seed: Seed = 0


def data(config: Config) -> Dataset:
    """A random subset of the images."""
    size = config.examples
    return subset(load(config.dataset), config.seed, train=size, test=size)


def stages(config: Config, dataset: Dataset) -> Sequence[Stage]:
    """A stage of one epoch, which only measures."""
    inputs, classes = normalize(0.1307, 0.3081), len(dataset.classes)
    learner = propagation(SCHEMES, ACTIVATIONS, config.depth, config.width, classes, inputs)
    return [Stage(learner, dataset, epochs=1, batch_size=config.batch_size)]


def figures(trained: Trained, rows: list[dict]) -> Iterator[tuple[str, Figure]]:
    """The variance of activations and gradients, layer by layer."""
    from .drawing import variance_by_layer

    title = "Each activation has its scheme: He for ReLU, Glorot for tanh; none saves the sigmoid"
    depth, width = trained.config.depth, trained.config.width
    detail = f"{depth} layers of {width} units before training, mean over examples of log variance"
    measured = evaluate_split(trained.learner, trained.state, trained.dataset.splits["test"])
    yield "variance", variance_by_layer(title, detail, measured, SCHEMES, ACTIVATIONS)
