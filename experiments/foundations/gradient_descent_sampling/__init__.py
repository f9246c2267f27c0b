"""Smaller batches learn more from each example: full ones, mini-batches and single examples.

Figure: test loss of single ≤ 0.42, mini ≤ 0.5, line_search ≤ 0.8, full ≥ 1.3 after 10 epochs
Time: 4 s on 2 CPU cores
Command: python launch.py train gradient_descent_sampling

Softmax regression on 2,000 of MNIST's images, a convex problem, ten epochs [T3, sec. 3.1.4]. Each
scheme goes through the same examples in the same order: in one step (or one line search), in 64s or
one by one. `plot` trains each scheme again, alone, and measures its time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt
from matplotlib.figure import Figure

from dlfun import metrics
from dlfun.algorithms.supervised import supervised
from dlfun.config import Epochs, Seed
from dlfun.data import Dataset, load
from dlfun.data.dataset import subset
from dlfun.data.images import normalize
from dlfun.experiment import Claim, Stage, Trained
from dlfun.learner import Learner
from dlfun.nn import losses
from dlfun.nn.models.mlp import MLP
from dlfun.optimizers import Optimizer, make_optimizer
from dlfun.transforms import compare, in_minibatches

from .line_search import line_search

BOUNDS = (("single", 0.42), ("mini", 0.5), ("line_search", 0.8))
FORMULA = r"""
\theta \leftarrow \theta - \frac{\eta}{|B|} \sum_{i \in B} \nabla \ell_i(\theta), \quad |B| \in
\{1, 64, N\}
"""
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
    epochs: Epochs = 10
    batch_size: Annotated[int, Ge(1)] = 2000
    """Training images, all of them in one batch, which the schemes divide."""
    seed: Seed = 0


def data(config: Config) -> Dataset:
    """A random subset of the images."""
    return subset(load("mnist"), config.seed, train=config.batch_size)


def learners(config: Config) -> dict[str, Learner]:
    """A learner for each scheme; each batch is the training set."""
    model, loss, inputs = MLP((), 10), losses.cross_entropy, normalize()

    def sgd(rate: float) -> Learner:
        optimizer = make_optimizer(Optimizer("sgd", rate))
        return supervised(model, loss, optimizer, inputs=inputs, eval_metrics=metrics.accuracy)

    return {
        "full": sgd(config.full_rate),
        "line_search": line_search(model, loss, inputs=inputs),
        "mini": in_minibatches(sgd(config.mini_rate), 64),
        "single": in_minibatches(sgd(config.single_rate), 1),
    }


def stages(config: Config, dataset: Dataset) -> Sequence[Stage]:
    """The schemes, compared; an epoch is one batch."""
    return [Stage(compare(learners(config)), dataset, config.epochs, dataset.size("train"))]


def figures(trained: Trained, rows: list[dict]) -> Iterator[tuple[str, Figure]]:
    """Loss against examples seen, and against seconds."""
    from .drawing import loss_by_cost

    config = trained.config
    yield "sampling", loss_by_cost(trained.dataset, learners(config), config.epochs, config.seed)
