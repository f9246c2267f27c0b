"""One hidden layer approximates a curve more closely, the wider it is.

Figure: test loss ≥ 0.4 of width 1, ≤ 0.2 of width 4, ≤ 0.02 of widths 16 and 64
Time: 4 s on 2 CPU cores
Command: python launch.py train universal_approximation

1-H-1 with tanh, H from 1 to 64, on sin(2πx) + ½ sin(5πx), x in [−1, 1], without noise (Cybenko
1989; Hornik et al. 1989). The theorem states that weights of any small error exist. This measures
the weights after 3000 steps of Adam: beyond 16 units training, and not the width, is the limit.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge
from matplotlib.figure import Figure

from dlfun.algorithms.supervised import supervised
from dlfun.config import Seed, Widths
from dlfun.data import Dataset
from dlfun.data.generated import curve
from dlfun.experiment import Claim, Trained
from dlfun.learner import Learner
from dlfun.metrics import no_metrics
from dlfun.nn import losses
from dlfun.nn.models.mlp import MLP
from dlfun.optimizers import Optimizer, make_optimizer
from dlfun.transforms import compare, repeat_update

FORMULA = r"""
\hat{f}(x) = \sum_{h=1}^{H} v_h \tanh(w_h x + b_h) + c, \quad f(x) = \sin(2 \pi x) + \frac{1}{2}
\sin(5 \pi x)
"""
CLAIMS = [
    Claim("test/width_1_loss", "Hornik et al. 1989", at_least=0.4),
    Claim("test/width_4_loss", "Hornik et al. 1989", at_most=0.2),
    Claim("test/width_16_loss", "Hornik et al. 1989", at_most=0.02),
    Claim("test/width_64_loss", "Hornik et al. 1989", at_most=0.02),
]
STEPS = 600


@dataclass(frozen=True)
class Config:
    """Networks of one hidden layer on a curve."""

    widths: Widths = (1, 2, 4, 8, 16, 32, 64)
    """Numbers of hidden units to compare."""
    examples: Annotated[int, Ge(1)] = 200
    """Training points of the curve."""
    epochs: Annotated[int, Ge(1)] = 5
    """Epochs, of 600 steps on each batch."""
    batch_size: Annotated[int, Ge(1)] = 200
    """Points per step."""
    optimizer: Optimizer = Optimizer(learning_rate=0.02)
    seed: Seed = 0


def data(config: Config) -> Dataset:
    """Points of the curve."""
    return curve(
        lambda x: np.sin(2 * np.pi * x) + np.sin(5 * np.pi * x) / 2, config.examples, config.seed
    )


def learner(config: Config, dataset: Dataset) -> Learner:
    """A regression of each width."""
    optimizer = make_optimizer(config.optimizer, STEPS, config.epochs)

    def regression(width: int) -> Learner:
        network = supervised(
            MLP((width,), 1, "tanh"),
            losses.mse,
            optimizer,
            eval_metrics=no_metrics,
            train_metrics=no_metrics,
            columns=("x", "y"),
        )
        return repeat_update(network, STEPS)

    return compare({f"width_{width}": regression(width) for width in config.widths})


def figures(trained: Trained, rows: list[dict]) -> Iterator[tuple[str, Figure]]:
    """The error against the width, and some of the curves."""
    from .drawing import approximations

    yield "approximation", approximations(trained, rows[-1])
