"""A Gaussian kernel blurs the more, the wider it is, and works by rows and columns as in full.

Figure: Σg − 1 ≤ 1e-6; share of images where row by column ≠ full ≤ 0, where blur grows ≥ 1
Time: 10 s on 2 CPU cores
Command: python launch.py train gaussian_smoothing

g ∝ exp(−(x² + y²)/2σ²), made to sum to 1 over a window, so that a flat area keeps its brightness.
It is the product of a kernel of x and one of y: 2K multiplications a pixel do what K² do, to
rounding (no pixel differs by more than 1e-6 of the range). Blur is the loss of total variation, the
sum of differences between neighbours: checked for each image, from each σ to the next.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt
from matplotlib.figure import Figure

from dlfun.config import DatasetName, Seed
from dlfun.data import Dataset, load
from dlfun.data.dataset import subset
from dlfun.data.images import normalize
from dlfun.experiment import Claim, Stage, Trained

from .smoothing import smoothing

FORMULA = r"""
g_\sigma(x, y) \propto \exp\left(-\frac{x^2 + y^2}{2 \sigma^2}\right), \quad \sum_{x, y}
g_\sigma(x, y) = 1

g_\sigma(x, y) = g_\sigma(x) \, g_\sigma(y) \;\Rightarrow\; g_\sigma * I = g_\sigma(y) *
(g_\sigma(x) * I)
"""
CLAIMS = [
    Claim("test/kernel_error", "definition", at_most=1e-6),
    Claim("test/separable_error", "exp(a + b) = exp(a) exp(b)", at_most=0),
    Claim("test/blur_grows", "Gaussians of σ and τ make one of √(σ² + τ²)", at_least=1),
]


@dataclass(frozen=True)
class Config:
    """Images under Gaussian kernels."""

    sigmas: tuple[Annotated[float, Gt(0)], ...] = (0.5, 1.0, 2.0)
    """Widths of the kernels in pixels, rising."""
    radius: Annotated[int, Ge(1)] = 5
    """The kernels' window is 2·radius + 1 pixels wide."""
    shown: Annotated[int, Ge(0)] = 0
    """Number of the test image in the figure."""
    examples: Annotated[int, Ge(1)] = 1000
    """Images of each split, drawn at random."""
    batch_size: Annotated[int, Ge(1)] = 100
    """Images at once."""
    dataset: DatasetName = "fashion_mnist"
    seed: Seed = 0


def data(config: Config) -> Dataset:
    """Random images of each split."""
    size = config.examples
    return subset(load(config.dataset), config.seed, train=size, test=size)


def stages(config: Config, dataset: Dataset) -> Sequence[Stage]:
    """A stage of one pass over the images, in which nothing is learned."""
    learner = smoothing(config.sigmas, config.radius, normalize())
    return [Stage(learner, dataset, 1, config.batch_size)]


def figures(trained: Trained, rows: list[dict]) -> Iterator[tuple[str, Figure]]:
    """An image under each kernel."""
    from .drawing import smoothed_image

    yield "smoothing", smoothed_image(trained)
