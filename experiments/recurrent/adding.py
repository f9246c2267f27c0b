"""LSTM and GRU add two numbers that they saw many steps ago; a plain RNN never learns to.

Figure: LSTM and GRU solve it in 5 of 5 seeds, the RNN in none; it stays at 1/6 in 4 of 5
Time: 140 s on 1 CPU core
Command: python launch.py train adding

The adding problem (Hochreiter, Schmidhuber, 1997, sec. 5.4): of 100 numbers from U(0, 1) two are
marked, and their sum is asked for at the end. Always answering 1 has a mean squared error of 1/6.
Three networks of 32 units see the same batches of 64 new sequences, under Adam with gradients
clipped at norm 1, for 4,000 steps; the LSTM's forget bias starts at 1 (Jozefowicz et al., 2015).
"Solved" is an error below 0.01 and "guesses" one from 0.15 to 0.18, as shares of the seeds: the RNN
of one seed in five leaves 1/6, for an error of 0.078.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge

from dlfun.algorithms.compare_cells import CELLS, compare_cells
from dlfun.config import BatchSize, Epochs, Seed
from dlfun.data.dataset import Dataset
from dlfun.data.memory_tasks import adding, check_length, drawn
from dlfun.experiment import Claim, Quick, Trained
from dlfun.learner import Key, Learner
from dlfun.nn.losses import mse
from dlfun.optimizers import Optimizer, Schedule, make_optimizer
from dlfun.train.gather import evaluate_split
from dlfun.transforms import drawing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SOURCE = "Hochreiter, Schmidhuber (1997), sec. 5.4"
FORMULA = r"""
y = \sum_{t=1}^{100} x_t m_t, \quad x_t \sim U(0, 1), \; m_t \in \{0, 1\}, \; \sum_t m_t = 2,
\quad \operatorname{Var} y = \frac{1}{6}
"""
CLAIMS = [
    Claim("test/lstm_solved", SOURCE, at_least=0.8),
    Claim("test/gru_solved", SOURCE, at_least=0.8),
    Claim("test/rnn_solved", SOURCE, at_most=0),
    Claim("test/rnn_guesses", SOURCE, at_least=0.8),
]
SHORT = {"length": 10, "epochs": 2, "steps": 400}
QUICK = Quick(SHORT, [Claim("test/gru_solved", SOURCE, at_least=1)])
SOLVED = 0.01
"""Mean squared error below which the task counts as solved."""
GUESSES = 0.15, 0.18
"""Mean squared errors between which a network counts as always answering 1, which has 1/6."""


@dataclass(frozen=True)
class Config:
    """Three recurrent networks on the adding problem."""

    length: Annotated[int, Ge(1)] = 100
    """Numbers in a sequence."""
    hidden: Annotated[int, Ge(1)] = 32
    """Units of each network."""
    forget_bias: float = 1.0
    """Initial bias of the LSTM's forget gate and of the GRU's update gate."""
    steps: Annotated[int, Ge(1)] = 500
    """Updates in an epoch, each on new sequences."""
    epochs: Epochs = 8
    batch_size: BatchSize = 64
    test: Annotated[int, Ge(1)] = 2000
    """Sequences to test on."""
    optimizer: Optimizer = Optimizer(
        learning_rate=1e-2, clip_norm=1.0, schedule=Schedule("cosine", 0.0)
    )
    """Optimizer of each network."""
    seed: Seed = 0


def data(config: Config) -> Dataset:
    """Sequences to test on; those to train on are drawn by the learner."""
    check_length("length", config.length, 2)
    draw = partial(adding, length=config.length)
    size = config.steps * config.batch_size
    return drawn("adding", draw, size, config.test)


def learner(config: Config, dataset: Dataset) -> Learner:
    """The three cells, compared."""
    optimizer = make_optimizer(config.optimizer, config.steps, config.epochs)
    bias = config.forget_bias
    compared = compare_cells(config.hidden, 1, mse, optimizer, forget_bias=bias, columns=("x", "y"))
    return drawing(compared, partial(adding, length=config.length))


def measure(trained: Trained, key: Key) -> dict[str, float]:
    """1 for each cell that has solved the task, and for an RNN that only guesses, else 0."""
    losses = evaluate_split(trained.learner, trained.state, trained.dataset.splits["test"])
    measured = {f"test/{cell}_solved": float(losses[f"{cell}_loss"] < SOLVED) for cell in CELLS}
    least, most = GUESSES
    return measured | {"test/rnn_guesses": float(least <= losses["rnn_loss"] <= most)}


def figures(trained: Trained, rows: list[dict[str, Any]]) -> Iterator[tuple[str, "Figure"]]:
    """The error of each cell against the epoch."""
    from dlfun.plots.compared import metric_by_epoch

    last = next(row for row in reversed(rows) if row["split"] == "test")
    solved = [name for cell, name in CELLS.items() if last[f"{cell}_loss"] < SOLVED]
    title = f"Two of {trained.config.length} numbers added by: {', '.join(solved) or 'no cell'}"
    detail = f"error below {SOLVED} after the last epoch; answering 1 has 1/6"
    drawn = metric_by_epoch(title, rows, CELLS, detail=detail, log=True)
    drawn.axes[0].axhline(1 / 6, color="#222222", linestyle=":")
    yield "error", drawn
