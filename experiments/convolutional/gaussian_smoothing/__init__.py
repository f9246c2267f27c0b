"""A Gaussian kernel blurs the more, the wider it is, and works by rows and columns as in full.

Figure: Σg − 1 ≤ 1e-6; share of images where row by column ≠ full ≤ 0, where blur grows ≥ 1
Time: 10 s on 2 CPU cores
Command: python launch.py train gaussian_smoothing

g ∝ exp(−(x² + y²)/2σ²), made to sum to 1 over a window, so that a flat area keeps its brightness.
It is the product of a kernel of x and one of y: 2K multiplications a pixel do what K² do, to
rounding (no pixel differs by more than 1e-6 of the range). Blur is the loss of total variation, the
sum of differences between neighbours: checked for each image, from each σ to the next.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import jax.numpy as jnp
import numpy as np
from annotated_types import Ge, Gt
from matplotlib.figure import Figure

from dlfun import data
from dlfun.data.dataset import subset
from dlfun.data.images import normalize
from dlfun.experiment import Claim, Experiment
from dlfun.metrics import values
from dlfun.train import loop

from .kernels import gaussian, smooth, total_variation
from .learner import smoothing

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
    dataset: str = "fashion_mnist"
    """mnist, fashion_mnist, or tfds:NAME for any TFDS image classification set."""
    seed: Annotated[int, Ge(0)] = 0
    """Random seed: of the choice of images."""


def build(config: Config) -> Experiment:
    """Learner and data of a configuration."""
    c = config
    dataset = subset(data.load(c.dataset), c.seed, train=c.examples, test=c.examples)
    return Experiment(smoothing(c.sigmas, c.radius, normalize()), dataset, 1, c.batch_size, c.seed)


def figures(trained: Any, rows: list[dict]) -> Iterator[tuple[str, Figure]]:
    """An image under each kernel."""
    from .drawing import draw

    c, state = trained.config, trained.position.state
    variation = np.asarray(values(loop.evaluate(trained.experiment, state)["test"])["variation"])
    images = data.load(c.dataset).splits["test"]["image"]
    image = normalize()(jnp.asarray(images[c.shown % len(images)][None]))
    kernels = [gaussian(sigma, c.radius) for sigma in c.sigmas]
    seen = jnp.concatenate([image, *(smooth(image, kernel) for kernel in kernels)])
    left = 100 * variation[-1] / variation[0]
    title = f"The wider the Gaussian, the less detail: {left:.0f} % is left at σ = {c.sigmas[-1]:g}"
    detail = f"one test image of {c.dataset} and its total variation; right, {c.examples:,} images"
    own, shown = np.asarray(total_variation(seen)), np.mean(seen, axis=-1)
    yield "smoothing", draw(title, detail, c.sigmas, np.stack(kernels), shown, own, variation)
