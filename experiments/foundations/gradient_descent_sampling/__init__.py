"""Full batch, mini-batch or one example a step: the more steps, the more each example teaches.

Figure: test loss of single ≤ 0.42, mini ≤ 0.5, line_search ≤ 0.8, full ≥ 1.3 after 10 epochs
Time: 4 s on 2 CPU cores
Command: python launch.py train gradient_descent_sampling

Softmax regression on 2,000 of MNIST's images, a convex problem, ten epochs [T3, sec. 3.1.4]. Each
scheme goes through the same examples in the same order: in one step (or one line search), in 64s or
one by one. `plot` times each alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from annotated_types import Ge, Gt
from matplotlib.figure import Figure

from dlfun import data, metrics
from dlfun.algorithms.line_search import line_search
from dlfun.algorithms.supervised import supervised
from dlfun.data.dataset import subset
from dlfun.data.images import normalize
from dlfun.experiment import Claim, Experiment
from dlfun.learner import Learner
from dlfun.nn import losses
from dlfun.nn.models.mlp import MLP
from dlfun.optimizers import Optimizer, make_optimizer
from dlfun.transforms import compare, in_minibatches

BOUNDS = (("single", 0.42), ("mini", 0.5), ("line_search", 0.8))
CLAIMS = [Claim(f"test/{n}_loss", "[T3, sec. 3.1.4]", at_most=m) for n, m in BOUNDS]
CLAIMS += [Claim("test/full_loss", "[T3, sec. 3.1.4]", at_least=1.3)]


@dataclass(frozen=True)
class Config:
    """Softmax regression in several samplings."""

    full_rate: Annotated[float, Gt(0)] = 0.1
    """Learning rate of full batches."""
    mini_rate: Annotated[float, Gt(0)] = 0.1
    """Learning rate of mini-batches of 64."""
    single_rate: Annotated[float, Gt(0)] = 0.01
    """Learning rate of single examples."""
    epochs: Annotated[int, Ge(1)] = 10
    """Passes over the examples."""
    batch_size: Annotated[int, Ge(1)] = 2000
    """Training images, all of them in one batch: the schemes cut it up."""
    seed: Annotated[int, Ge(0)] = 0
    """Random seed: of the images chosen, the parameters and the order."""


def learners(config: Config) -> dict[str, Learner]:
    """One for each scheme; each batch is the training set."""
    model, loss, inputs = MLP((), 10), losses.cross_entropy, normalize()

    def sgd(rate: float) -> Learner:
        rule = make_optimizer(Optimizer("sgd", rate))
        return supervised(model, loss, rule, inputs=inputs, measure=metrics.accuracy)

    return {
        "full": sgd(config.full_rate),
        "line_search": line_search(model, loss, inputs=inputs),
        "mini": in_minibatches(sgd(config.mini_rate), 64),
        "single": in_minibatches(sgd(config.single_rate), 1),
    }


def build(config: Config) -> Experiment:
    """The schemes side by side."""
    few = subset(data.load("mnist"), config.seed, train=config.batch_size)
    return Experiment(compare(learners(config)), few, config.epochs, few.size("train"), config.seed)


def figures(trained: Any, rows: list[dict]) -> Iterator[tuple[str, Figure]]:
    """Loss against examples seen, and against seconds."""
    from .drawing import draw

    yield "sampling", draw(trained.experiment, learners(trained.config))
