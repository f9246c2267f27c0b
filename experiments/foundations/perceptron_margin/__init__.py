"""A perceptron makes at most (R/γ)² mistakes on points that a plane separates with margin γ.

Figure: test/bound_used, mistakes / (R/γ)², ≤ 1 (measured: 0.2); train accuracy = 1 at the end
Time: 3 s on 2 CPU cores
Command: python launch.py train perceptron_margin

Novikoff (1962): where some unit vector u has |u·x| ≥ γ on the right side of every example and
‖x‖ ≤ R, the rule w ← w + (t − y) x from w = 0 makes at most (R/γ)² mistakes, in any order and
number of the examples. x has 1 appended here, for the bias. The points are random in the unit ball
of ten dimensions; a set that no plane separates is refused.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated

import jax.numpy as jnp
from annotated_types import Ge, Gt, Lt
from jax import Array
from matplotlib.figure import Figure

from dlfun.algorithms.perceptron import PerceptronState, perceptron
from dlfun.config import Epochs, Seed, Static
from dlfun.data import Dataset
from dlfun.experiment import Claim, Objective, Trained
from dlfun.learner import Learner
from dlfun.transforms import with_state_metrics

from .separable import bound, separable

FORMULA = r"""
w \leftarrow w + (t - y) x, \quad \text{mistakes} \le \left(\frac{R}{\gamma}\right)^2, \quad R =
\max_i \lVert x_i \rVert, \quad \gamma = \min_i |u \cdot x_i|, \; \lVert u \rVert = 1
"""
CLAIMS = [
    Claim("test/bound_used", "Novikoff 1962", at_most=1),
    Claim("train/accuracy", "Novikoff 1962", at_least=1),
]
OBJECTIVE = Objective("accuracy", "max")


@dataclass(frozen=True)
class Config:
    """A perceptron on separable points."""

    margin: Annotated[float, Gt(0), Lt(1), Static] = 0.1
    """Margin γ, the distance of the closest point from the plane."""
    dimensions: Annotated[int, Ge(1)] = 10
    """Dimensions of the points."""
    examples: Annotated[int, Ge(2)] = 1000
    """Training examples, and as many test examples."""
    flipped: Annotated[int, Ge(0)] = 0
    """Examples on the wrong side: any make the set inseparable, which is an error."""
    epochs: Epochs = 20
    batch_size: Annotated[int, Ge(1)] = 1
    """Examples per update: the bound is for 1."""
    seed: Seed = 0


def data(config: Config) -> Dataset:
    """Random points on two sides of a random plane."""
    c = config
    return separable(c.examples, c.dimensions, c.margin, c.seed, c.flipped)[0]


def learner(config: Config, dataset: Dataset) -> Learner:
    """A perceptron that reports its mistakes, also as a share of the bound."""
    most = bound(dataset.splits["train"]["x"], config.margin)

    def mistakes(state: PerceptronState) -> dict[str, Array]:
        count = state.mistakes.astype(jnp.float32)
        return {"mistakes": count, "bound_used": count / most}

    return with_state_metrics(perceptron(1.0, "side"), mistakes)


def figures(trained: Trained, rows: list[dict]) -> Iterator[tuple[str, Figure]]:
    """Mistakes against margin, under the bound."""
    from dlfun.train.trajectory import trajectories

    from .drawing import mistakes_by_margin

    c, margins, seeds = trained.config, (0.02, 0.05, 0.1, 0.2, 0.4), range(5)
    pairs = [(margin, seed) for margin in margins for seed in seeds]
    datasets = [data(replace(c, margin=margin, seed=seed)) for margin, seed in pairs]
    states, _ = trajectories(
        trained.learner, datasets, c.epochs, c.batch_size, [seed for _, seed in pairs]
    )
    counts = states.mistakes[:, -1].reshape(len(margins), len(seeds)).tolist()
    yield "mistakes", mistakes_by_margin(dict(zip(margins, counts, strict=True)), 2.0)
