"""At equal parameters a deep network holds a function that composition makes, a shallow one cannot.

Figure: test squared error of the sawtooth's eight teeth: deep ≤ 0.01, shallow ≥ 0.06
Time: 5 s on 2 CPU cores
Command: python launch.py train depth_separation

The tent map applied n times has 2ⁿ linear pieces. Four layers of 2 ReLUs compute sixteen; one layer
of 8, as many parameters (25), bends at most eight times, and is hardly better than the constant
1/2, of error 1/12 (Telgarsky, 2016). This is about what networks can hold, not about what they
find: the deep one starts at the composition, disturbed, and learns back to it. See with `--noise 1`
how it fares from further away.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from annotated_types import Ge
from matplotlib.figure import Figure

from dlfun import metrics, optimizers
from dlfun.algorithms.supervised import supervised
from dlfun.experiment import Claim, Experiment
from dlfun.nn import losses
from dlfun.nn.models.mlp import MLP
from dlfun.optimizers import Optimizer, Schedule
from dlfun.plots import compared
from dlfun.transforms import compare

from .sawtooth import graph
from .telgarsky import telgarsky_params, with_initial_params

CLAIMS = [
    Claim("test/deep_loss", "Telgarsky (2016)", at_most=0.01),
    Claim("test/shallow_loss", "Telgarsky (2016)", at_least=0.06),
]


@dataclass(frozen=True)
class Config:
    """A deep and a shallow network on a sawtooth, side by side."""

    compositions: Annotated[int, Ge(1)] = 4
    """How often the tent map is applied, n: 2ⁿ⁻¹ teeth, and hidden layers of the deep network."""
    noise: Annotated[float, Ge(0)] = 0.01
    """Standard deviation by which the deep network's start is disturbed."""
    examples: Annotated[int, Ge(1)] = 10_000
    """Points of the graph, for training and for the test."""
    epochs: Annotated[int, Ge(1)] = 10
    """Passes over the training points."""
    batch_size: Annotated[int, Ge(1)] = 50
    """Points per update."""
    optimizer: Optimizer = Optimizer(learning_rate=1e-3, schedule=Schedule("cosine", factor=0.0))
    """Optimizer."""
    seed: Annotated[int, Ge(0)] = 0
    """Random seed: of the parameters, the training points and their order."""


def build(config: Config) -> Experiment:
    """The two networks side by side."""
    n, steps = config.compositions, -(-config.examples // config.batch_size)
    optimizer = optimizers.make_optimizer(config.optimizer, steps, config.epochs)
    silent: dict[str, Any] = {"measure": metrics.no_metrics, "watch": metrics.no_metrics}
    deep, shallow = (
        supervised(MLP(hidden, 1), losses.mse, optimizer, names=("x", "y"), **silent)
        for hidden in ((2,) * n, (2 * n,))
    )
    learner = compare(
        {"deep": with_initial_params(deep, telgarsky_params(n), config.noise), "shallow": shallow}
    )
    dataset = graph(n, config.examples, config.seed)
    return Experiment(learner, dataset, config.epochs, config.batch_size, config.seed)


def figures(trained: Any, rows: list[dict]) -> Iterator[tuple[str, Figure]]:
    """Test error against the epoch."""
    n = trained.config.compositions
    names = {"deep": f"deep: {n} layers of 2", "shallow": f"shallow: 1 layer of {2 * n}"}
    title = "At equal parameters, depth holds a sawtooth that width cannot"
    yield "error", compared.draw(title, rows, names, log=True)
