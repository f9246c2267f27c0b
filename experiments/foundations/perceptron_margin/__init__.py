"""A perceptron makes at most (R/γ)² mistakes on points that a plane parts with margin γ.

Figure: test/bound_used, mistakes / (R/γ)², ≤ 1 (measured: 0.2); train accuracy = 1 at the end
Time: 3 s on 2 CPU cores
Command: python launch.py train perceptron_margin

Novikoff (1962): where some unit vector u has |u·x| ≥ γ on the right side of every example and
‖x‖ ≤ R, the rule w ← w + (t − y) x from w = 0 goes wrong at most (R/γ)² times, in whatever order
the examples come and however many they are. x has 1 appended here, for the bias. The points are
random in the unit ball of ten dimensions; a set that no plane parts is refused.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Any

import jax.numpy as jnp
from annotated_types import Ge, Gt, Lt
from jax import Array
from matplotlib.figure import Figure

from dlfun.algorithms.perceptron import PerceptronState, perceptron
from dlfun.experiment import Claim, Experiment
from dlfun.transforms import with_state_metrics

from .separable import bound, separable

CLAIMS = [
    Claim("test/bound_used", "Novikoff 1962", at_most=1),
    Claim("train/accuracy", "Novikoff 1962", at_least=1),
]


@dataclass(frozen=True)
class Config:
    """A perceptron on separable points."""

    margin: Annotated[float, Gt(0), Lt(1)] = 0.1
    """γ, the distance of the closest point from the plane."""
    dimensions: Annotated[int, Ge(1)] = 10
    """Of the points."""
    examples: Annotated[int, Ge(2)] = 1000
    """For training, and as many for the test."""
    flipped: Annotated[int, Ge(0)] = 0
    """Examples on the wrong side: any make the set inseparable, which is an error."""
    epochs: Annotated[int, Ge(1)] = 20
    """Passes over the points."""
    batch_size: Annotated[int, Ge(1)] = 1
    """Examples per update: the bound is for 1."""
    seed: Annotated[int, Ge(0)] = 0
    """Random seed: of the plane, the points and their order."""


def build(config: Config) -> Experiment:
    """One perceptron that tells how much of its bound it has used."""
    c = config
    points, _ = separable(c.examples, c.dimensions, float(c.margin), c.seed, c.flipped)
    most = bound(points.splits["train"]["x"], float(c.margin))

    def told(state: PerceptronState) -> dict[str, Array]:
        mistakes = state.mistakes.astype(jnp.float32)
        return {"mistakes": mistakes, "bound_used": mistakes / most}

    learner = with_state_metrics(perceptron(1.0, "side"), told)
    return Experiment(learner, points, c.epochs, c.batch_size, c.seed)


def figures(trained: Any, rows: list[dict]) -> Iterator[tuple[str, Figure]]:
    """Mistakes against margin, under the bound."""
    from dlfun.train.trajectory import trajectory

    from .drawing import mistakes

    pairs = [(margin, seed) for margin in (0.02, 0.05, 0.1, 0.2, 0.4) for seed in range(5)]
    sets = (build(replace(trained.config, margin=margin, seed=seed)) for margin, seed in pairs)
    found: dict[float, list[int]] = {}
    for (margin, _), count in zip(pairs, trajectory(*sets)[0].mistakes[:, -1], strict=True):
        found.setdefault(margin, []).append(int(count))
    yield "mistakes", mistakes(found, squared_radius=2.0)
