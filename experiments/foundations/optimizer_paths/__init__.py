"""Momentum crosses valleys that gradient descent only creeps along.

Figure: quadratic: test loss ≤ 1e-7 by momentum, ≥ 1e-5 by sgd; Rosenbrock: ≤ 1, ≥ 2
Time: 2 s on 2 CPU cores
Command: python launch.py train optimizer_paths

Seven update rules [T3, sec. 3.1.4; T5, ch. 4], 200 steps each, on a quadratic of condition number
50 and on Rosenbrock's function, from a start drawn by the seed. (adamw decays matrices only: here
it would be adam.) No data: a batch is one tick.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge
from matplotlib.figure import Figure

from dlfun.experiment import Claim, Experiment
from dlfun.optimizers import Rates, make_optimizer
from dlfun.transforms import compare

from .surfaces import minimize_function, quadratic, rosenbrock, ticks

CLAIMS = [
    Claim("test/quadratic_momentum_loss", "Polyak 1964", at_most=1e-7),
    Claim("test/quadratic_sgd_loss", "Polyak 1964", at_least=1e-5),
    Claim("test/rosenbrock_momentum_loss", "Polyak 1964", at_most=1),
    Claim("test/rosenbrock_sgd_loss", "Polyak 1964", at_least=2),
]
SURFACES = {"quadratic": (quadratic, (-4.0, 1.0)), "rosenbrock": (rosenbrock, (-1.2, 1.0))}


@dataclass(frozen=True)
class Config:
    """Seven descents on two surfaces."""

    quadratic_rates: Rates = Rates(0.03, 0.01, 0.01, 0.5, 0.05, 1.0, 0.1)
    """Learning rates on the quadratic."""
    rosenbrock_rates: Rates = Rates(1e-3, 5e-4, 5e-4, 0.5, 0.02, 1.0, 0.2)
    """Learning rates on Rosenbrock's function."""
    steps: Annotated[int, Ge(1)] = 200
    """Steps in an epoch."""
    epochs: Annotated[int, Ge(1)] = 1
    """Times so many steps."""
    batch_size: Annotated[int, Ge(1)] = 1
    """Ticks for a step."""
    seed: Annotated[int, Ge(0)] = 0
    """Random seed: of the start."""


def build(config: Config) -> Experiment:
    """All descents side by side."""
    rates = {"quadratic": config.quadratic_rates, "rosenbrock": config.rosenbrock_rates}
    learners = {
        f"{surface}_{name}": minimize_function(*SURFACES[surface], make_optimizer(optimizer))
        for surface, each in rates.items()
        for name, optimizer in each.optimizers().items()
        if name != "adamw"
    }
    c = config
    return Experiment(compare(learners), ticks(c.steps), c.epochs, c.batch_size, c.seed)


def figures(trained: Any, rows: list[dict]) -> Iterator[tuple[str, Figure]]:
    """The paths on each surface."""
    from dlfun.train.trajectory import trajectory

    from .drawing import draw

    states, _ = trajectory(trained.experiment)

    for name, title, surface, minimum, limits in (
        ("quadratic", "The quadratic", quadratic, (0, 0), (-4.6, 1.2, -1.6, 1.6)),
        ("rosenbrock", "Rosenbrock's", rosenbrock, (1, 1), (-2, 2, -1, 3)),
    ):
        own = {n: s.point for n, s in states.items() if n.startswith(name)}
        paths = {n.removeprefix(f"{name}_"): np.asarray(path) for n, path in own.items()}
        yield name, draw(f"{title} valley", surface, paths, minimum, limits)
