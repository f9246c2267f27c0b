"""One hidden layer approximates a curve the better, the wider it is.

Figure: test loss ≥ 0.4 of width 1, ≤ 0.2 of width 4, ≤ 0.02 of widths 16 and 64
Time: 4 s on 2 CPU cores
Command: python launch.py train universal_approximation

1-H-1 with tanh, H from 1 to 64, on sin(2πx) + ½ sin(5πx), x in [−1, 1], without noise (Cybenko
1989; Hornik et al. 1989). The theorem says that some weights come as close as one likes. What is
measured is what 3000 steps of Adam find: beyond 16 units they, and not the width, are the limit.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge
from matplotlib.figure import Figure

from dlfun import metrics
from dlfun.algorithms.supervised import supervised
from dlfun.data.generated import curve
from dlfun.experiment import Claim, Experiment
from dlfun.learner import Learner
from dlfun.nn import losses
from dlfun.nn.models.mlp import MLP
from dlfun.optimizers import Optimizer, make_optimizer
from dlfun.transforms import compare, repeat_update

CLAIMS = [
    Claim("test/width_1_loss", "Hornik et al. 1989", at_least=0.4),
    Claim("test/width_4_loss", "Hornik et al. 1989", at_most=0.2),
    Claim("test/width_16_loss", "Hornik et al. 1989", at_most=0.02),
    Claim("test/width_64_loss", "Hornik et al. 1989", at_most=0.02),
]


@dataclass(frozen=True)
class Config:
    """Networks of one hidden layer on a curve."""

    widths: tuple[Annotated[int, Ge(1)], ...] = (1, 2, 4, 8, 16, 32, 64)
    """Hidden units."""
    examples: Annotated[int, Ge(1)] = 200
    """Points of the curve to train on."""
    epochs: Annotated[int, Ge(1)] = 5
    """Times 600 steps on all points."""
    batch_size: Annotated[int, Ge(1)] = 200
    """Points per step."""
    optimizer: Optimizer = Optimizer(learning_rate=0.02)
    """Optimizer."""
    seed: Annotated[int, Ge(0)] = 0
    """Random seed: of the parameters and the points."""


def build(config: Config) -> Experiment:
    """A regression of each width."""
    c = config
    optimizer = make_optimizer(c.optimizer, 600, c.epochs)

    def learner(width: int) -> Learner:
        model, nothing = MLP((width,), 1, "tanh"), metrics.no_metrics
        plain = supervised(
            model, losses.mse, optimizer, measure=nothing, watch=nothing, names=("x", "y")
        )
        return repeat_update(plain, 600)

    points = curve(lambda x: np.sin(2 * np.pi * x) + np.sin(5 * np.pi * x) / 2, c.examples, c.seed)
    learners = {f"width_{width}": learner(width) for width in c.widths}
    return Experiment(compare(learners), points, c.epochs, c.batch_size, c.seed)


def figures(trained: Any, rows: list[dict]) -> Iterator[tuple[str, Figure]]:
    """The error against the width, and some of the curves."""
    from .drawing import draw

    states = {w: trained.position.state[f"width_{w}"] for w in trained.config.widths}
    yield "approximation", draw(trained.experiment.dataset, states, rows[-1])
