"""With few labels test error is a U against width, peaks at one weight a label, and falls again.

Figure: test loss of 5 features ≥ 0.084, 20 ≤ 0.083, 100 ≥ 0.09, 200 ≥ 1, 1600 ≤ 0.055
Time: 5 s on 2 CPU cores
Command: python launch.py train capacity_mnist

Least squares from 200 of MNIST's images to their classes' unit vectors, on random ReLU features of
the pixels. Below 200 features lies the classical U [T3, sec. 3.1.5]; there the training error
reaches 0, by weights that are as large as the labels' noise makes them; of the many solutions
beyond, the smallest one is the smoother, the more features there are: "double descent" (Belkin et
al., 2019). A penalty takes the peak away: `--l2 1e-2`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge
from matplotlib.figure import Figure

from dlfun import data
from dlfun.algorithms.linear_regression import random_features, ridge
from dlfun.data.dataset import subset
from dlfun.experiment import Claim, Experiment
from dlfun.random import stream
from dlfun.transforms import compare

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
    """Features to compare."""
    l2: Annotated[float, Ge(0)] = 0.0
    """λ of an L2 penalty."""
    examples: Annotated[int, Ge(2)] = 200
    """Labelled images."""
    test_examples: Annotated[int, Ge(1)] = 2000
    """Test images."""
    seed: Annotated[int, Ge(0)] = 0
    """Random seed: of the images chosen and of the features."""


def columns(split: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Pixels as one row of floats, classes as unit vectors."""
    rows = split["image"].reshape(len(split["image"]), -1) / np.float32(255)
    return {"x": rows, "y": np.eye(10, dtype=np.float32)[split["label"]]}


def build(config: Config) -> Experiment:
    """A least-squares fit of each width."""
    c = config
    few = subset(data.load("mnist"), c.seed, train=c.examples, test=c.test_examples)
    few = few._replace(splits={name: columns(split) for name, split in few.splits.items()})
    key, pixels = stream(c.seed, "features"), few.splits["train"]["x"].shape[1]
    learners = {f"width_{w}": ridge(c.l2, random_features(w, pixels, key)) for w in c.widths}
    return Experiment(compare(learners), few, 1, few.size("train"), c.seed)


def figures(trained: Any, rows: list[dict]) -> Iterator[tuple[str, Figure]]:
    """Both errors against the width."""
    from dlfun.plots.capacity import against

    errors = {row["split"]: row for row in rows[-2:]}
    names = {width: f"width_{width}" for width in trained.config.widths}
    title = "Beyond one weight a label, the test error falls a second time"
    yield "capacity", against(title, errors, names, "random features", trained.config.examples)
