"""On few labels L2, L1, dropout and early stopping each narrow the gap between training and test.

Figure: PLACEHOLDER
Time: 5 s on 2 CPU cores
Command: python launch.py train regularization_mnist

784-256-10 under Adam on 800 images, 200 more held out for early stopping [T3, sec. 3.1.5]: five
copies from one start on the same batches. "seen" is the training set, measured as the test set is;
accuracy gains less than the loss, because the unregularized network errs with more certainty.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from annotated_types import Ge, Lt
from matplotlib.figure import Figure

from dlfun import data, losses, metrics
from dlfun.data.dataset import hold_out_validation, subset
from dlfun.data.images import normalize
from dlfun.experiment import Claim, Experiment
from dlfun.learner import Learner
from dlfun.learners.early_stopping import early_stopping
from dlfun.learners.supervised import supervised
from dlfun.learners.transform import side_by_side
from dlfun.models.mlp import MLP
from dlfun.optimizers import Optimizer, make

CLAIMS: list[Claim] = []


@dataclass(frozen=True)
class Config:
    """An MLP on few labels, regularized in four ways."""

    l2: Annotated[float, Ge(0)] = 0.02
    """λ of λ/2 ‖W‖²."""
    l1: Annotated[float, Ge(0)] = 0.0005
    """λ of λ ‖W‖₁."""
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.5
    """Share of hidden units dropped."""
    examples: Annotated[int, Ge(5)] = 1000
    """Labelled images: a fifth is held out."""
    epochs: Annotated[int, Ge(1)] = 30
    """Passes over the others."""
    batch_size: Annotated[int, Ge(1)] = 50
    """Examples per update."""
    seed: Annotated[int, Ge(0)] = 0
    """Random seed: of the images chosen, the parameters, the order and dropout."""


def build(config: Config) -> Experiment:
    """Five copies of one network."""
    c = config
    few = subset(data.load("mnist"), min(c.examples, data.load("mnist").size("train")), c.seed)
    few = hold_out_validation(few, 0.2, c.seed)
    few = few._replace(splits=few.splits | {"seen": few.splits["train"]})

    def learner(dropout: Any = None, **penalty: Any) -> Learner:
        model, optimizer = MLP((256,), 10, dropout=dropout), make(Optimizer(**penalty))
        loss = losses.cross_entropy
        return supervised(model, loss, optimizer, inputs=normalize(), measure=metrics.accuracy)

    each = {
        "none": learner(),
        "l2": learner(l2=c.l2),
        "l1": learner(l1=c.l1),
        "dropout": learner(c.dropout),
        "early_stopping": early_stopping(learner(), few.splits["validation"], every=16),
    }
    return Experiment(side_by_side(each), few, c.epochs, c.batch_size, c.seed)


def figures(trained: Any, rows: list[dict]) -> Iterator[tuple[str, Figure]]:
    """The gap between training and test loss, and the test loss over the epochs."""
    from dlfun.plots import compared

    yield "gap", compared.gap(rows, list(trained.position.state))
    names = {name: name.replace("_", " ") for name in trained.position.state}
    yield "loss", compared.draw("Unregularized, the test loss turns up again", rows, names)
