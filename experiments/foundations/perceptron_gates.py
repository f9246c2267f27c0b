"""A perceptron learns AND, OR and NAND from its mistakes, and never XOR.

Figure: test accuracy = 1 of AND, OR and NAND; of XOR ≤ 0.75, three rows of four, for ever
Time: 1 s on 2 CPU cores
Command: python launch.py train perceptron_gates

w ← w + η (t − y) x and b ← b + η (t − y) after each row of the truth table (Rosenblatt 1957), from
w = b = 0. Where a line parts the rows the mistakes end; no line parts those of XOR, and the weights
go round in a bounded set of values (Minsky, Papert 1969).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from annotated_types import Ge, Gt
from matplotlib.figure import Figure

from dlfun.algorithms.perceptron import perceptron
from dlfun.data.gates import truth_tables
from dlfun.experiment import Claim, Experiment
from dlfun.transforms import compare

GATES = ("and", "or", "nand", "xor")
CLAIMS = [
    *(Claim(f"test/{gate}_accuracy", "Rosenblatt 1957", at_least=1) for gate in GATES[:3]),
    Claim("test/xor_accuracy", "Minsky, Papert 1969", at_most=0.75),
]


@dataclass(frozen=True)
class Config:
    """Four perceptrons, one for each gate."""

    learning_rate: Annotated[float, Gt(0)] = 1.0
    """η: scales the weights, and from w = 0 changes no answer."""
    epochs: Annotated[int, Ge(1)] = 5
    """Times ten passes over the truth table."""
    batch_size: Annotated[int, Ge(1)] = 1
    """Rows per update; 1 is Rosenblatt's rule."""
    seed: Annotated[int, Ge(0)] = 0
    """Random seed: of the order of the rows."""


def build(config: Config) -> Experiment:
    """The perceptrons side by side: each sees the same rows."""
    learner = compare({gate: perceptron(config.learning_rate, gate) for gate in GATES})
    tables = truth_tables(*GATES, copies=10)
    return Experiment(learner, tables, config.epochs, config.batch_size, config.seed)


def figures(trained: Any, rows: list[dict]) -> Iterator[tuple[str, Figure]]:
    """The decision lines over the updates, and the cycle of XOR's weights."""
    from dlfun.train.trajectory import trajectory

    from dlfun.plots.planes import cycle, decision_lines

    states, metrics = trajectory(trained.experiment)
    table = trained.experiment.dataset.splits["test"]
    yield "decision_lines", decision_lines(states, metrics, table)
    yield "xor_cycle", cycle(perceptron(1.0, "xor"), table, "xor")
