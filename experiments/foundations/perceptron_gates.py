"""A perceptron learns AND, OR and NAND from its mistakes, and never XOR.

Figure: test accuracy = 1 of AND, OR and NAND; of XOR ≤ 0.75, three rows of four, for ever
Time: 1 s on 2 CPU cores
Command: python launch.py train perceptron_gates

w ← w + η (t − y) x and b ← b + η (t − y) after each row of the truth table (Rosenblatt 1957), from
w = b = 0. Where a line separates the rows the mistakes end; no line separates those of XOR, and the
weights cycle through a bounded set of values (Minsky, Papert 1969).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt
from matplotlib.figure import Figure

from dlfun.algorithms.perceptron import perceptron
from dlfun.config import Seed
from dlfun.data import Dataset
from dlfun.data.gates import truth_tables
from dlfun.experiment import Claim, Trained
from dlfun.learner import Learner
from dlfun.transforms import compare

GATES = ("and", "or", "nand", "xor")
FORMULA = r"""
y = [\, w \cdot x + b \ge 0 \,], \quad w \leftarrow w + \eta (t - y) x, \quad b \leftarrow b +
\eta (t - y)
"""
CLAIMS = [
    *(Claim(f"test/{gate}_accuracy", "Rosenblatt 1957", at_least=1) for gate in GATES[:3]),
    Claim("test/xor_accuracy", "Minsky, Papert 1969", at_most=0.75),
]


@dataclass(frozen=True)
class Config:
    """Four perceptrons, one for each gate."""

    learning_rate: Annotated[float, Gt(0)] = 1.0
    """Learning rate η: scales the weights, and from w = 0 changes no output."""
    epochs: Annotated[int, Ge(1)] = 5
    """Epochs, of ten passes over the truth table each."""
    batch_size: Annotated[int, Ge(1)] = 1
    """Rows per update; 1 is Rosenblatt's rule."""
    seed: Seed = 0


def data(config: Config) -> Dataset:
    """The truth tables, ten times over."""
    return truth_tables(*GATES, copies=10)


def learner(config: Config, dataset: Dataset) -> Learner:
    """The perceptrons, compared: all see the same rows."""
    return compare({gate: perceptron(config.learning_rate, gate) for gate in GATES})


def figures(trained: Trained, rows: list[dict]) -> Iterator[tuple[str, Figure]]:
    """The decision lines over the updates, and the cycle of XOR's weights."""
    from dlfun.plots.planes import decision_lines, weight_cycle
    from dlfun.train.trajectory import trajectory

    c, table = trained.config, trained.dataset.splits["test"]
    states, metrics = trajectory(trained.learner, trained.dataset, c.epochs, c.batch_size, c.seed)
    yield "decision_lines", decision_lines(states, metrics, table)
    yield "xor_cycle", weight_cycle(perceptron(1.0, "xor"), table, "xor")
