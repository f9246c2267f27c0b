"""Timings of five networks for MNIST beside PyTorch: `python -m benchmarks.mnist --help`."""

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge

from benchmarks import tables, whole, work
from benchmarks.command import about, compare
from benchmarks.worker import Worker
from dlfun import config as configs
from dlfun import experiment as experiments

TRAINING_SET, BATCH = 60_000, 64
WORKERS = {
    "dlfun": ("benchmarks.ours", ""),
    "tuned": ("benchmarks.pytorch", "tuned"),
    "loader": ("benchmarks.pytorch", "loader"),
} | ({"keras": ("benchmarks.keras_jax", "")} if find_spec("keras") else {})


@dataclass(frozen=True)
class Benchmark:
    """Time the same networks in dlfun, PyTorch and Keras, in turns, on this machine's CPU.

    There are four settings: dlfun; PyTorch tuned (tensors in memory, fused Adam, the fastest
    number of threads and memory format, `torch.compile` where it helps); PyTorch as in a
    book's script (DataLoader); and Keras 3 on JAX, where it is installed.
    """

    networks: tuple[
        Literal["mnist_mlp", "mnist_cnn", "mnist_rnn", "mnist_lstm", "mnist_gru"], ...
    ] = ("mnist_mlp", "mnist_cnn", "mnist_rnn", "mnist_lstm", "mnist_gru")
    """Networks to time."""
    repeats: Annotated[int, Ge(1)] = 3
    """Timed epochs of each setting, and timed runs of whole processes."""
    steps: Annotated[int, Ge(1)] | None = None
    """Number of batches of 64 in an epoch, for a quick look without whole processes and
    torch.compile. Default: all 60,000 examples."""
    json: Path | None = None
    """File for all measurements."""
    markdown: bool = False
    """Print Markdown instead of tables."""


def main(arguments: Sequence[str]) -> int:
    """Measure, print the tables, and return the exit status."""
    return compare(
        Benchmark,
        arguments,
        "python -m benchmarks.mnist",
        measure,
        lambda _, report: tables.tables(report),
        lambda report: (
            f"Idle workers used at most {report['idle']:.1%} of a core while another one was timed."
        ),
    )


def measure(benchmark: Benchmark) -> dict[str, Any]:
    """Report with the contents of the tables and all measured times, as JSON values."""
    steps = benchmark.steps
    busy = os.getloadavg()[0]
    examples = TRAINING_SET if steps is None else min(TRAINING_SET, steps * BATCH)
    networks = {
        name: time_epochs(name, benchmark.repeats, steps, examples) for name in benchmark.networks
    }
    return {
        **about(),
        "load_before": busy,
        "repeats": benchmark.repeats,
        "examples": examples,
        "peak_flops_per_second": max(max(f["products"]) for f in networks.values()),
        "idle": max(f["idle"] for f in networks.values()),
        "networks": networks,
        "whole": {} if steps else whole_processes(benchmark.networks, benchmark.repeats),
    }


def config_of(name: str) -> dict[str, Any]:
    """Default Config of an experiment, as JSON values."""
    return configs.to_dict(experiments.load(name).default)


def time_epochs(name: str, repeats: int, steps: int | None, examples: int) -> dict[str, Any]:
    """Time epochs of a network in each setting in turns, and matrix products between them."""
    config = config_of(name)
    seconds: dict[str, list[float]] = {setting: [] for setting in WORKERS}
    memory, products, idle = {}, [], [0.0, 0.0]
    with ExitStack() as stack:
        workers = {}
        for setting, (module, variant) in WORKERS.items():
            _note(f"{name}: starting {setting}")
            settings = {"network": name, "config": config, "setting": variant, "steps": steps}
            workers[setting] = stack.enter_context(Worker(module, settings))
        for _ in range(repeats):
            products += [
                workers[setting].ask("product")["answer"] for setting in ("dlfun", "tuned")
            ]
            for setting, worker in workers.items():
                epoch = worker.ask("epoch")
                _note(f"{name}: {setting} {epoch['seconds']:.3f} s")
                seconds[setting].append(epoch["seconds"])
                memory[setting] = epoch["memory"]
                idle = [a + b for a, b in zip(idle, epoch["idle"], strict=True)]
        settings = {setting: worker.about["setting"] for setting, worker in workers.items()}
    return {
        "seconds": seconds,
        "memory": memory,
        "settings": settings,
        "flops": examples * work.training_flops(name, config),
        "products": products,
        "idle": idle[0] / idle[1],
    }


def whole_processes(networks: Sequence[str], repeats: int) -> dict[str, list[Mapping[str, Any]]]:
    """Time whole processes of the ten-epoch MLP in turns; measure the memory of all networks."""
    processes: dict[str, list[Mapping[str, Any]]] = {}

    def add(label: str, finished: whole.Finished) -> None:
        _note(f"{label}: {finished.seconds:.2f} s")
        processes.setdefault(label, []).append(finished._asdict())

    for name in networks:
        if name != "mnist_mlp":
            add(f"launch.py train {name}, 1 epoch", whole.dlfun_run(name, "--epochs", "1"))
            continue
        config = config_of(name)
        whole.dlfun_run(name)  # The second run on a machine is timed: the first one fills caches.
        for _ in range(repeats):
            add(f"launch.py train {name}, {config['epochs']} epochs", whole.dlfun_run(name))
            add(f"PyTorch script, {config['epochs']} epochs", whole.book_run(name, config))
    return processes


def _note(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
