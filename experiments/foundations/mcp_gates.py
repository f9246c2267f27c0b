"""Neurons of McCulloch and Pitts (1943) compute every gate; no single one computes XOR.

Figure: the network's test accuracy = 1 on the truth table; of the best single neuron ≤ 0.75
Time: 1 s on 2 CPU cores
Command: python launch.py train mcp_gates --gate xor

Inputs and outputs are 0 or 1, weights −1 or 1, and y = 1 if Σ w·x ≥ θ. AND, OR, NOT, NAND and NOR
are one neuron each; XOR is (a OR b) AND (a NAND b), in two layers. The single neuron beside the
network is the best of all with weights in {−1, 0, 1} and any θ, by search: of XOR it gets three
rows of four. Nothing is learned here: an update changes no weight.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge
from matplotlib.figure import Figure

from dlfun.algorithms.perceptron import MCP_GATES, best_neuron, frozen
from dlfun.config import Seed
from dlfun.data import Dataset
from dlfun.data.gates import truth_tables
from dlfun.experiment import Claim, Trained
from dlfun.learner import Learner
from dlfun.transforms import compare

FORMULA = r"""
y = \left[\, \sum_i w_i x_i \ge \theta \,\right], \quad w_i \in \{-1, 1\}, \; x_i, y \in \{0, 1\}

a \oplus b = (a \lor b) \land \lnot (a \land b)
"""
CLAIMS = [
    Claim("test/network_accuracy", "McCulloch, Pitts 1943", at_least=1),
    Claim("test/single_accuracy", "Minsky, Papert 1969", at_most=0.75),
]


@dataclass(frozen=True)
class Config:
    """A gate made of threshold neurons."""

    gate: Literal["and", "or", "not", "nand", "nor", "xor"] = "xor"
    """Gate to compute."""
    epochs: Annotated[int, Ge(1)] = 1
    """Passes over the truth table, which change nothing."""
    batch_size: Annotated[int, Ge(1)] = 4
    """Rows at a time."""
    seed: Seed = 0


def data(config: Config) -> Dataset:
    """The truth table of the gate."""
    return truth_tables(config.gate, copies=10)


def learner(config: Config, dataset: Dataset) -> Learner:
    """The gate's network beside the best single neuron."""
    gate, table = config.gate, dataset.splits["test"]
    single = best_neuron(table["x"], table[gate])
    return compare({"network": frozen(MCP_GATES[gate], gate), "single": frozen([single], gate)})


def figures(trained: Trained, rows: list[dict]) -> Iterator[tuple[str, Figure]]:
    """Each gate of two inputs in the plane of its inputs."""
    from dlfun.plots.planes import gates

    yield "gates", gates({name: layers for name, layers in MCP_GATES.items() if name != "not"})
