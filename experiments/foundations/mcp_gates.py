"""Neurons of McCulloch and Pitts (1943) compute every gate; no single one computes XOR.

Figure: the network's test accuracy = 1 on the truth table; of the best single neuron ≤ 0.75
Time: 1 s on 2 CPU cores
Command: python launch.py train mcp_gates --gate xor

Inputs and outputs are 0 or 1, weights −1 or 1, and y = 1 if Σ w·x ≥ θ. AND, OR, NOT, NAND and NOR
are one neuron each; XOR is (a OR b) AND (a NAND b), in two layers. The single neuron beside the
network is the best of all with weights in {−1, 0, 1} and any θ, by search: of XOR it gets three
rows of four. Nothing is learned here: the learner hands its weights on as they are.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from annotated_types import Ge
from matplotlib.figure import Figure

from dlfun.algorithms.perceptron import MCP_GATES, best_neuron, frozen
from dlfun.data.gates import truth_tables
from dlfun.experiment import Claim, Experiment
from dlfun.transforms import compare

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
    """Passes over the truth table, that change nothing."""
    batch_size: Annotated[int, Ge(1)] = 4
    """Rows at a time."""
    seed: Annotated[int, Ge(0)] = 0
    """Random seed: of the order of the rows."""


def build(config: Config) -> Experiment:
    """The gate's network beside the best single neuron."""
    tables = truth_tables(config.gate, copies=10)
    table = tables.splits["test"]
    single = best_neuron(table["x"], table[config.gate])
    learners = {"network": MCP_GATES[config.gate], "single": (single,)}
    learner = compare({n: frozen(layers, config.gate) for n, layers in learners.items()})
    return Experiment(learner, tables, config.epochs, config.batch_size, config.seed)


def figures(trained: Any, rows: list[dict]) -> Iterator[tuple[str, Figure]]:
    """Each gate of two inputs in the plane of its inputs."""
    from dlfun.plots.planes import gates

    yield "gates", gates({name: layers for name, layers in MCP_GATES.items() if name != "not"})
