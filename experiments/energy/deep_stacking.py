"""Each module that ridge regression puts on a stack of them makes fewer errors on digits.

Figure: test error falls with modules 2 and 3, and is ≤ 3.0 % with five (2.69 %, three seeds)
Time: 2 min on 2 CPU cores
Command: python launch.py train deep_stacking

Five modules of 2,000 hidden units of random weights; a module reads the pixels and the outputs of
all modules below it, and only its upper weights are solved for, in closed form (Deng, Yu 2011, who
print 0.83 % with 3,000 hidden units that start from Boltzmann machines and are fine-tuned). Stages:
module_1, module_2, …
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Gt

from dlfun import data as sources
from dlfun.algorithms.deep_stacking import DeepStack, deep_stacking
from dlfun.config import BatchSize, DatasetName, Examples, Seed, Validation
from dlfun.data.dataset import Dataset, subset
from dlfun.experiment import Claim, Objective, Quick, Stage, Trained

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SOURCE = "Deng, Yu (2011)"
FORMULA = r"""
h = \max(0, v W + b), \quad y_k = h U, \quad v = [x, y_1, \dots, y_{k-1}]

U = \left(\lambda I + \sum h^\top h\right)^{-1} \sum h^\top t
"""
CLAIMS = [
    Claim("test/gain_of_module_2", SOURCE, at_least=0.0),
    Claim("test/gain_of_module_3", SOURCE, at_least=0.0),
    Claim("test/accuracy", SOURCE, printed=0.9917, at_least=0.97),
]
QUICK = Quick(
    {"hidden": 400, "modules": 3, "examples": 10_000},
    [*CLAIMS[:2], CLAIMS[2]._replace(printed=None, at_least=0.91)],
)
OBJECTIVE = Objective("accuracy", "max")


@dataclass(frozen=True)
class Config:
    """Modules of random hidden units and ridge regression."""

    modules: Annotated[int, Ge(1)] = 5
    """Number of modules."""
    hidden: Annotated[int, Ge(1)] = 2000
    """Hidden units of each."""
    l2: Annotated[float, Gt(0)] = 10.0
    """Factor λ of the penalty on the upper weights, against the sum over all examples."""
    scale: Annotated[float, Gt(0)] = 0.1
    """Standard deviation of the lower weights of pixels."""
    output_scale: Annotated[float, Gt(0)] = 0.5
    """Standard deviation of the lower weights of outputs, and of the biases."""
    examples: Examples = 60_000
    batch_size: BatchSize = 5000
    dataset: DatasetName = "mnist"
    validation: Validation = 0.0
    seed: Seed = 0


def data(config: Config) -> Dataset:
    """The digits, or so many of them as are asked for."""
    images = sources.load(config.dataset, validation=config.validation, seed=config.seed)
    return subset(images, config.seed, train=config.examples)


def stages(config: Config, dataset: Dataset) -> Sequence[Stage]:
    """A stage of one epoch for each module."""
    c, classes = config, len(dataset.classes)
    parts = []
    for number in range(1, c.modules + 1):
        learner = deep_stacking(number, c.hidden, classes, c.l2, c.scale, c.output_scale)
        parts.append(Stage(learner, dataset, 1, c.batch_size, f"module_{number}", stack_up))
    return parts


def stack_up(previous: DeepStack, fresh: DeepStack) -> DeepStack:
    """The next module on top of those that have been solved."""
    return fresh._replace(modules=(*previous.modules, fresh.modules[-1]))


def figures(trained: Trained, rows: list[dict[str, Any]]) -> Iterator[tuple[str, "Figure"]]:
    """Test error of each module."""
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    from dlfun.plots.style import COLOURS, LABEL, figure, percent, tidy

    errors = [1 - row["accuracy"] for row in rows if row["split"] == "test"]
    modules = range(1, len(errors) + 1)
    drawn = figure(7, 4.5, "Each module on top makes fewer errors than those below")
    axes = drawn.subplots()
    axes.plot(modules, errors, "o-", color=COLOURS["test"], linewidth=2)
    for number, error in zip(modules, errors, strict=True):
        axes.annotate(
            percent(error), (number, error), (3, 8), textcoords="offset points", fontsize=LABEL - 1
        )
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlim(0.7, len(errors) + 0.7)
    axes.set_ylim(0, 1.2 * max(errors))
    tidy(axes, "module", "test error", legend=False)
    yield "errors", drawn
