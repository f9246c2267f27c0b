"""A GRU learns to give 10 symbols back after a delay; a plain RNN stays at guessing.

Figure: loss as a share of that of guessing, three seeds: RNN 1.00, LSTM 0.90, GRU 0.80 ± 0.10
Time: 110 s on 1 CPU core
Command: python launch.py train copy_memory

The copy task (Hochreiter, Schmidhuber, 1997; as in Arjovsky et al., 2016, sec. 5.1): 10 symbols of
8 kinds, a delay, a sign, and then the symbols are asked for. Answering blanks and then any of the 8
has a cross entropy of 10 ln 8 / (delay + 20) a step: 0.416 for a delay of 30. Three networks of 64
units see the same batches of new sequences, under Adam with gradients clipped at norm 1; the bias
of the gates that keep the state starts at 1.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from math import log
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge

from dlfun.algorithms.compare_cells import CELLS, compare_cells
from dlfun.config import BatchSize, Epochs, Seed
from dlfun.data.dataset import Dataset
from dlfun.data.memory_tasks import ALPHABET, COPIED, copying, drawn
from dlfun.experiment import Claim, Quick, Trained
from dlfun.learner import Key, Learner
from dlfun.nn.losses import sequence_cross_entropy
from dlfun.optimizers import Optimizer, Schedule, make_optimizer
from dlfun.train.gather import evaluate_split
from dlfun.transforms import drawing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SOURCE = "Arjovsky et al. (2016), sec. 5.1"
FORMULA = r"""
L_{\mathrm{guess}} = \frac{10 \ln 8}{T + 20}

r, u = \sigma(W_{r,u} x_t + U_{r,u} h_{t-1} + b_{r,u}), \quad n = \tanh(W_n x_t + b_n + r \odot
(U_n h_{t-1} + b_n'))

h_t = (1 - u) \odot n + u \odot h_{t-1}
"""
CLAIMS = [
    Claim("test/rnn_of_guessing", SOURCE, printed=1.0, at_least=0.9, at_most=1.1),
    Claim("test/gru_of_guessing", SOURCE, at_most=0.9),
]
SHORT = {"delay": 5, "hidden": 32, "epochs": 2, "steps": 200}
QUICK = Quick(SHORT, [Claim("test/gru_of_guessing", SOURCE, at_most=1.2)])


@dataclass(frozen=True)
class Config:
    """Three recurrent networks on the copy task."""

    delay: Annotated[int, Ge(1)] = 30
    """Steps from the last symbol to the sign that asks for all of them."""
    hidden: Annotated[int, Ge(1)] = 64
    """Units of each network."""
    forget_bias: float = 1.0
    """Initial bias of the LSTM's forget gate and of the GRU's update gate."""
    steps: Annotated[int, Ge(1)] = 500
    """Updates in an epoch, each on new sequences."""
    epochs: Epochs = 6
    batch_size: BatchSize = 64
    test: Annotated[int, Ge(1)] = 1000
    """Sequences to test on."""
    optimizer: Optimizer = Optimizer(
        learning_rate=5e-3, clip_norm=1.0, schedule=Schedule("cosine", 0.0)
    )
    """Optimizer of each network."""
    seed: Seed = 0


def guessing(delay: int) -> float:
    """Cross entropy of blanks and then any of the symbols: 10 ln 8 / (delay + 20) nats a step."""
    return COPIED * log(ALPHABET) / (delay + 2 * COPIED)


def data(config: Config) -> Dataset:
    """Sequences to test on; those to train on are drawn by the learner."""
    draw = partial(copying, delay=config.delay)
    return drawn("copying", draw, config.steps * config.batch_size, config.test)


def learner(config: Config, dataset: Dataset) -> Learner:
    """The three cells, compared."""
    optimizer = make_optimizer(config.optimizer, config.steps, config.epochs)
    compared = compare_cells(
        config.hidden,
        ALPHABET + 1,
        sequence_cross_entropy,
        optimizer,
        every_step=True,
        forget_bias=config.forget_bias,
        columns=("x", "y"),
    )
    return drawing(compared, partial(copying, delay=config.delay))


def measure(trained: Trained, key: Key) -> dict[str, float]:
    """The loss of each cell as a multiple of that of guessing."""
    measured = evaluate_split(trained.learner, trained.state, trained.dataset.splits["test"])
    least = guessing(trained.config.delay)
    return {f"test/{cell}_of_guessing": measured[f"{cell}_loss"] / least for cell in CELLS}


def figures(trained: Trained, rows: list[dict[str, Any]]) -> Iterator[tuple[str, "Figure"]]:
    """The loss of each cell against the epoch, beside that of guessing."""
    from dlfun.plots.compared import metric_by_epoch

    last = next(row for row in reversed(rows) if row["split"] == "test")
    least = guessing(trained.config.delay)
    title = "Loss of copying, as a share of that of guessing: " + ", ".join(
        f"{name} {last[f'{cell}_loss'] / least:.2f}" for cell, name in CELLS.items()
    )
    detail = f"a delay of {trained.config.delay} steps; dotted: guessing, {least:.3f} nats a step"
    drawn = metric_by_epoch(title, rows, CELLS, detail=detail)
    drawn.axes[0].axhline(least, color="#222222", linestyle=":")
    yield "loss", drawn
