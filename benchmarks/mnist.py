"""dlfun beside PyTorch on the five networks for MNIST: `python -m benchmarks.mnist --help`."""

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
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
}


@dataclass(frozen=True)
class Benchmark:
    """Time the same networks in dlfun and in PyTorch, in turns, on this machine's CPU.

    Each in three settings: dlfun; PyTorch tuned (tensors in memory, fused Adam, the faster number
    of threads and memory format); and PyTorch as a book's script has it (DataLoader).
    """

    networks: tuple[
        Literal["mnist_mlp", "mnist_cnn", "mnist_rnn", "mnist_lstm", "mnist_gru"], ...
    ] = ("mnist_mlp", "mnist_cnn", "mnist_rnn", "mnist_lstm", "mnist_gru")
    """Which networks."""
    repeats: Annotated[int, Ge(1)] = 3
    """Timed epochs of each setting, and timed runs of each whole process."""
    steps: Annotated[int, Ge(1)] | None = None
    """Cut the training set to this many batches of 64, for a quick look; leaves out whole
    processes. Default: all 60,000 examples."""
    json: Path | None = None
    """File to write everything measured to."""
    markdown: bool = False
    """Print Markdown instead of tables."""


def main(arguments: Sequence[str]) -> int:
    """Measure and print; the exit status."""
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
    """Everything that the tables say, and every single time, as JSON values."""
    steps = benchmark.steps
    busy = os.getloadavg()[0]
    examples = TRAINING_SET if steps is None else min(TRAINING_SET, steps * BATCH)
    found = {
        name: time_epochs(name, benchmark.repeats, steps, examples) for name in benchmark.networks
    }
    return {
        **about(),
        "load_before": busy,
        "repeats": benchmark.repeats,
        "examples": examples,
        "peak_flops_per_second": max(max(f["products"]) for f in found.values()),
        "idle": max(f["idle"] for f in found.values()),
        "networks": found,
        "whole": {} if steps else whole_processes(benchmark.networks, benchmark.repeats),
    }


def config_of(name: str) -> dict[str, Any]:
    """The Config of an experiment, with its own defaults."""
    return configs.to_dict(experiments.load(name).default)


def time_epochs(name: str, repeats: int, steps: int | None, examples: int) -> dict[str, Any]:
    """Epochs of one network in each setting, in turns, and products between them."""
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
                told = worker.ask("epoch")
                _note(f"{name}: {setting} {told['seconds']:.3f} s")
                seconds[setting].append(told["seconds"])
                memory[setting] = told["memory"]
                idle = [a + b for a, b in zip(idle, told["idle"], strict=True)]
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
    """The ten-epoch MLP in both, in turns; of the other networks one epoch, for its memory."""
    found: dict[str, list[Mapping[str, Any]]] = {}

    def add(label: str, finished: whole.Finished) -> None:
        _note(f"{label}: {finished.seconds:.2f} s")
        found.setdefault(label, []).append(finished._asdict())

    for name in networks:
        if name != "mnist_mlp":
            add(f"launch.py train {name}, 1 epoch", whole.dlfun_run(name, "--epochs", "1"))
            continue
        config = config_of(name)
        whole.dlfun_run(name)  # What is asked is the second run on a machine.
        for _ in range(repeats):
            add(f"launch.py train {name}, {config['epochs']} epochs", whole.dlfun_run(name))
            add(f"PyTorch script, {config['epochs']} epochs", whole.book_run(name, config))
    return found


def _note(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
