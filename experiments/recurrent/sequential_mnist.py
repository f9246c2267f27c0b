"""An RNN, an LSTM and a GRU read handwritten digits pixel by pixel (Le et al., 2015).

Figure: test accuracy of three seeds: GRU 96.0 ± 1.0 %, LSTM 87.9 ± 2.2 %, RNN 14.9 ± 6.2 %
Time: 2 min on 2 CPU cores
Command: python launch.py train sequential_mnist

A digit of 14×14 pixels, means of 2×2 of MNIST's, is a sequence of 196 numbers, and its class is
asked for at the end. `--size 28` reads all 784 pixels, for which Bai et al. (2018, table 1) print
87.2 % (LSTM), 96.2 % (GRU) and 21.5 % (RNN); `--permuted` reads them in one random order. Three
networks of 64 units see the same batches under Adam with gradients clipped at norm 1; the LSTM's
forget bias starts at 1. The LSTM's accuracy depends on the random start, 62 to 95 % over seven
seeds: in some trainings its loss returns to that of guessing for a while.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import jax
from annotated_types import Ge
from jaxtyping import Array, Float, UInt8

from dlfun import metrics
from dlfun.algorithms.compare_cells import CELLS, compare_cells
from dlfun.config import BatchSize, DatasetName, Epochs, Examples, Seed
from dlfun.data import Dataset, load
from dlfun.data.dataset import subset
from dlfun.data.images import normalize
from dlfun.errors import UserError
from dlfun.experiment import Claim, Objective, Quick, Trained
from dlfun.learner import Learner
from dlfun.nn.losses import cross_entropy
from dlfun.optimizers import Optimizer, Schedule, make_optimizer
from dlfun.random import stream

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SOURCE = "Bai et al. (2018), table 1, of 784 pixels"
FORMULA = r"""
h_t = \operatorname{cell}(x_t, h_{t-1}), \; t = 1, \dots, 196, \quad p(y \mid x) =
\operatorname{softmax}(V h_{196} + c)_y
"""
CLAIMS = [
    Claim("test/gru_accuracy", SOURCE, printed=0.962, at_least=0.8),
]
SHORT = {"examples": 10_000, "epochs": 2, "hidden": 32, "batch_size": 32}
QUICK = Quick(SHORT, [Claim("test/gru_accuracy", SOURCE, at_least=0.3)])
OBJECTIVE = Objective("gru_accuracy", "max")
SIDE = 28


@dataclass(frozen=True)
class Config:
    """Three recurrent networks that read images pixel by pixel."""

    size: Literal[14, 28] = 14
    """Pixels of a side: 14 averages 2×2 pixels."""
    permuted: bool = False
    """Read the pixels in a random order, the same for all images."""
    hidden: Annotated[int, Ge(1)] = 64
    """Units of each network."""
    examples: Examples = 60_000
    epochs: Epochs = 5
    batch_size: BatchSize = 128
    optimizer: Optimizer = Optimizer(
        learning_rate=5e-3, clip_norm=1.0, schedule=Schedule("cosine", 0.0)
    )
    """Optimizer of each network."""
    dataset: DatasetName = "mnist"
    seed: Seed = 0


def data(config: Config) -> Dataset:
    """The images, 28×28 and of one channel. Raises UserError for others."""
    dataset = load(config.dataset)
    shape = dataset.splits["train"]["image"].shape[1:]
    if shape != (SIDE, SIDE, 1):
        actual = "×".join(map(str, shape))
        raise UserError(
            f"sequential_mnist reads images of 28×28×1, and {dataset.name}'s are {actual}"
        )
    return subset(dataset, config.seed, train=config.examples)


def pixels(size: int, permuted: bool) -> Callable[..., Float[Array, "batch time 1"]]:
    """Function from images to sequences of pixels, scaled to mean 0 and deviation 1.

    The permutation is the same in every training.
    """
    scale = normalize(0.1307, 0.3081)

    def sequence(image: UInt8[Array, "batch 28 28 1"]) -> Float[Array, "batch time 1"]:
        x = scale(image)
        block = SIDE // size
        x = x.reshape(-1, size, block, size, block).mean((2, 4)).reshape(len(x), size * size, 1)
        if permuted:
            x = x[:, jax.random.permutation(stream(0, "pixels"), size * size)]
        return x

    return sequence


def learner(config: Config, dataset: Dataset) -> Learner:
    """The three cells, compared."""
    steps = dataset.steps_per_epoch(config.batch_size)
    return compare_cells(
        config.hidden,
        len(dataset.classes),
        cross_entropy,
        make_optimizer(config.optimizer, steps, config.epochs),
        eval_metrics=metrics.accuracy,
        inputs=pixels(config.size, config.permuted),
    )


def figures(trained: Trained, rows: list[dict[str, Any]]) -> Iterator[tuple[str, "Figure"]]:
    """The accuracy of each cell against the epoch."""
    from dlfun.plots.compared import metric_by_epoch

    last = next(row for row in reversed(rows) if row["split"] == "test")
    title = "Digits read pixel by pixel: " + ", ".join(
        f"{name} {100 * last[f'{cell}_accuracy']:.1f} %" for cell, name in CELLS.items()
    )
    order = "in a random order" if trained.config.permuted else "row by row"
    detail = f"{trained.config.size**2} pixels, {order}"
    yield "accuracy", metric_by_epoch(title, rows, CELLS, "accuracy", detail=detail)
