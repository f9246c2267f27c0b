"""Momentum crosses valleys through which gradient descent only creeps.

Figure: quadratic: test loss ≤ 1e-7 by momentum, ≥ 1e-5 by sgd; Rosenbrock: ≤ 1, ≥ 2
Time: 2 s on 2 CPU cores
Command: python launch.py train optimizer_paths

Seven update rules [T3, sec. 3.1.4; T5, ch. 4], 200 steps each, on a quadratic of condition number
50 and on Rosenbrock's function, from a start drawn by the seed. (adamw decays matrices only: here
it would be adam.) There is no data: an example is empty.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge
from matplotlib.figure import Figure

from dlfun.config import Seed
from dlfun.data import Dataset
from dlfun.data.dataset import ticks
from dlfun.experiment import Claim, Trained
from dlfun.learner import Learner
from dlfun.optimizers import Rates, make_optimizer
from dlfun.transforms import compare

from .surfaces import minimize_function, quadratic, rosenbrock

FORMULA = r"""
f(x, y) = \frac{1}{2} (x^2 + 50 y^2), \quad g(x, y) = (1 - x)^2 + 100 (y - x^2)^2

v \leftarrow \mu v + \nabla f(\theta), \quad \theta \leftarrow \theta - \eta v
"""
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
    """Epochs, of as many steps each."""
    batch_size: Annotated[int, Ge(1)] = 1
    """Empty examples per step: n of them make an epoch n times shorter."""
    seed: Seed = 0


def data(config: Config) -> Dataset:
    """A dataset of empty examples, one for each step, as surfaces need no data."""
    return ticks(config.steps)


def learner(config: Config, dataset: Dataset) -> Learner:
    """The descents, compared."""
    rates = {"quadratic": config.quadratic_rates, "rosenbrock": config.rosenbrock_rates}
    return compare(
        {
            f"{surface}_{name}": minimize_function(*SURFACES[surface], make_optimizer(optimizer))
            for surface, surface_rates in rates.items()
            for name, optimizer in surface_rates.optimizers().items()
            if name != "adamw"
        }
    )


def figures(trained: Trained, rows: list[dict]) -> Iterator[tuple[str, Figure]]:
    """The paths on each surface."""
    from dlfun.train.trajectory import trajectory

    from .drawing import descent_paths

    c = trained.config
    states, _ = trajectory(trained.learner, trained.dataset, c.epochs, c.batch_size, c.seed)
    for name, title, minimum, limits in (
        ("quadratic", "The quadratic", (0.0, 0.0), (-4.6, 1.2, -1.6, 1.6)),
        ("rosenbrock", "Rosenbrock's", (1.0, 1.0), (-2.0, 2.0, -1.0, 3.0)),
    ):
        paths = {
            key.removeprefix(f"{name}_"): np.asarray(state.params)
            for key, state in states.items()
            if key.startswith(name)
        }
        yield name, descent_paths(f"{title} valley", SURFACES[name][0], paths, minimum, limits)
