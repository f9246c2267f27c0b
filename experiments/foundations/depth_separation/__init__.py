"""At equal parameters a deep network computes a composition that a shallow one cannot.

Figure: test squared error of the sawtooth's eight teeth: deep ≤ 0.01, shallow ≥ 0.06
Time: 5 s on 2 CPU cores
Command: python launch.py train depth_separation

The tent map applied n times has 2ⁿ linear pieces. Four layers of 2 ReLUs compute sixteen; one layer
of 8, with as many parameters (25), bends at most eight times, and is hardly better than the
constant 1/2, of error 1/12 (Telgarsky, 2016). This is about what networks can represent, not about
what training finds: the deep one starts at the composition plus noise, and learns to return to it.
A start farther away: `--noise 1`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from annotated_types import Ge
from matplotlib.figure import Figure

from dlfun.algorithms.supervised import supervised
from dlfun.config import BatchSize, Epochs, Seed
from dlfun.data import Dataset
from dlfun.experiment import Claim, Trained
from dlfun.learner import Learner
from dlfun.metrics import no_metrics
from dlfun.nn import losses
from dlfun.nn.models.mlp import MLP
from dlfun.optimizers import Optimizer, Schedule, make_optimizer
from dlfun.transforms import compare

from .telgarsky import graph, telgarsky_params, with_initial_params

FORMULA = r"""
T(x) = \begin{cases} 2 x & x \le \frac{1}{2} \\ 2 - 2 x & x > \frac{1}{2} \end{cases}, \quad T(x)
= 2 \max(0, x) - 4 \max\left(0, x - \tfrac{1}{2}\right), \quad T^{n} = T \circ \dots \circ T
"""
CLAIMS = [
    Claim("test/deep_loss", "Telgarsky (2016)", at_most=0.01),
    Claim("test/shallow_loss", "Telgarsky (2016)", at_least=0.06),
]


@dataclass(frozen=True)
class Config:
    """A deep and a shallow network on a sawtooth."""

    compositions: Annotated[int, Ge(1)] = 4
    """Applications n of the tent map: 2ⁿ⁻¹ teeth, and n hidden layers of the deep network."""
    noise: Annotated[float, Ge(0)] = 0.01
    """Standard deviation of the noise that is added to the deep network's first parameters."""
    examples: Annotated[int, Ge(1)] = 10_000
    """Training points of the graph, and as many test points."""
    epochs: Epochs = 10
    batch_size: BatchSize = 50
    optimizer: Optimizer = Optimizer(learning_rate=1e-3, schedule=Schedule("cosine", factor=0.0))
    seed: Seed = 0


def data(config: Config) -> Dataset:
    """Points of the sawtooth's graph."""
    return graph(config.compositions, config.examples, config.seed)


def learner(config: Config, dataset: Dataset) -> Learner:
    """The two networks, compared."""
    n, steps = config.compositions, dataset.steps_per_epoch(config.batch_size)
    regression = partial(
        supervised,
        loss=losses.mse,
        optimizer=make_optimizer(config.optimizer, steps, config.epochs),
        eval_metrics=no_metrics,
        train_metrics=no_metrics,
        columns=("x", "y"),
    )
    deep, shallow = regression(MLP((2,) * n, 1)), regression(MLP((2 * n,), 1))
    deep = with_initial_params(deep, telgarsky_params(n), config.noise)
    return compare({"deep": deep, "shallow": shallow})


def figures(trained: Trained, rows: list[dict]) -> Iterator[tuple[str, Figure]]:
    """Test error against the epoch."""
    from dlfun.plots.compared import metric_by_epoch

    n = trained.config.compositions
    labels = {"deep": f"deep: {n} layers of 2", "shallow": f"shallow: 1 layer of {2 * n}"}
    title = "At equal parameters, a deep network computes a sawtooth that a shallow one cannot"
    yield "error", metric_by_epoch(title, rows, labels, log=True)
