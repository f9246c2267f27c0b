"""With few labels test error is a U against width, peaks at one weight a label, and falls again.

Figure: test loss of 5 features ≥ 0.084, 20 ≤ 0.083, 100 ≥ 0.09, 200 ≥ 1, 1600 ≤ 0.055
Time: 5 s on 2 CPU cores
Command: python launch.py train capacity_mnist

Least squares from 200 of MNIST's images to their classes' unit vectors, on random ReLU features of
the pixels. Below 200 features lies the classical U [T3, sec. 3.1.5]. At 200 the training error
reaches 0, by weights that the noise of the labels makes large. Beyond, the smallest of many
solutions is taken, which is smoother with more features: "double descent" (Belkin et al., 2019). A
penalty removes the peak: `--l2 1e-2`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge
from jax import Array
from matplotlib.figure import Figure

from dlfun.algorithms.linear_regression import random_features, ridge
from dlfun.config import Seed
from dlfun.data import Dataset, load
from dlfun.data.dataset import Split, subset
from dlfun.experiment import Claim, Stage, Trained
from dlfun.random import stream
from dlfun.transforms import compare

FORMULA = r"\hat{W} = \Phi^{+} Y, \quad \Phi = \max(0, X A + b)"
CLAIMS = [
    Claim("test/width_5_loss", "[T3, sec. 3.1.5]", at_least=0.084),
    Claim("test/width_20_loss", "[T3, sec. 3.1.5]", at_most=0.083),
    Claim("test/width_100_loss", "[T3, sec. 3.1.5]", at_least=0.09),
    Claim("test/width_200_loss", "Belkin et al. (2019)", at_least=1),
    Claim("test/width_1600_loss", "Belkin et al. (2019)", at_most=0.055),
]


@dataclass(frozen=True)
class Config:
    """Random features of several widths on few labels."""

    widths: tuple[Annotated[int, Ge(1)], ...] = (5, 10, 20, 50, 100, 200, 400, 800, 1600)
    """Numbers of features to compare."""
    l2: Annotated[float, Ge(0)] = 0.0
    """Factor λ of an L2 penalty."""
    examples: Annotated[int, Ge(2)] = 200
    """Labelled training images, drawn at random."""
    test_examples: Annotated[int, Ge(1)] = 2000
    """Test images, drawn at random."""
    seed: Seed = 0


def columns(split: Split) -> Split:
    """Pixels as one row of floats, classes as unit vectors."""
    rows = split["image"].reshape(len(split["image"]), -1) / np.float32(255)
    return {"x": rows, "y": np.eye(10, dtype=np.float32)[split["label"]]}


def data(config: Config) -> tuple[Dataset, Array]:
    """A random subset of the images, as vectors, and a key of random features."""
    sizes = {"train": config.examples, "test": config.test_examples}
    few = subset(load("mnist"), config.seed, **sizes)
    few = few._replace(splits={name: columns(split) for name, split in few.splits.items()})
    return few, stream(config.seed, "features")


def stages(config: Config, dataset: tuple[Dataset, Array]) -> Sequence[Stage]:
    """A least-squares fit of each width, in one update on the whole training set."""
    images, key = dataset
    pixels = images.splits["train"]["x"].shape[1]
    features = {width: random_features(width, pixels, key) for width in config.widths}
    learner = compare(
        {f"width_{w}": ridge(config.l2, function) for w, function in features.items()}
    )
    return [Stage(learner, images, epochs=1, batch_size=images.size("train"))]


def figures(trained: Trained, rows: list[dict]) -> Iterator[tuple[str, Figure]]:
    """Training and test error against the width."""
    from dlfun.plots.capacity import error_by_capacity

    errors = {row["split"]: row for row in rows[-2:]}
    names = {width: f"width_{width}" for width in trained.config.widths}
    title = "Beyond one weight a label, the test error falls a second time"
    peak = trained.config.examples
    yield "capacity", error_by_capacity(title, errors, names, "random features", peak)
