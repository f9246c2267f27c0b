"""An epoch of generative models of images in dlfun and in PyTorch, by turns.

`python -m benchmarks.generative --help`. It needs `pip install 'dlfun[benchmarks]'`.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge

from benchmarks import ours, turns
from benchmarks.command import compare
from benchmarks.turns import Training
from dlfun import config as configs
from dlfun import experiment as experiments
from dlfun.cli.huge_pages import in_huge_pages

STAGES = {"mnist_gan": "gan"}
"""The stage that is trained, of experiments with several."""
QUICK_STEPS = 2


@dataclass(frozen=True)
class Benchmark:
    """Time an epoch of a variational autoencoder, a MADE and a GAN, on this machine's CPU."""

    networks: tuple[Literal["mnist_vae", "mnist_made", "mnist_gan"], ...] = (
        "mnist_vae",
        "mnist_made",
        "mnist_gan",
    )
    """Experiments to time."""
    repeats: Annotated[int, Ge(1)] = 3
    """Epochs of each program, after one to warm up."""
    steps: Annotated[int, Ge(1)] | None = None
    """Batches of an epoch that are trained, whose time is scaled to the whole; default all."""
    quick: bool = False
    """Small networks and two batches, once: only whether it runs."""
    json: Path | None = None
    """File for all measurements."""
    markdown: bool = False
    """Print Markdown instead of a table."""


def trainings(benchmark: Benchmark) -> Iterator[Training]:
    """The experiments with their default Configs, in both frameworks."""
    from benchmarks import generative_pytorch

    for name in benchmark.networks:
        experiment = experiments.load(name)
        changed = experiment.quick.values if benchmark.quick and experiment.quick else {}
        config = configs.replace(experiment.default, changed)
        dataset = experiment.data(config)
        whole = dataset.steps_per_epoch(config.batch_size)
        count = min(QUICK_STEPS if benchmark.quick else benchmark.steps or whole, whole)
        images = dataset.splits["train"]["image"][: count * config.batch_size]
        updates = whole * config.epochs
        programs = {
            "dlfun": ours.program(name, config, count, STAGES.get(name)),
            "PyTorch": generative_pytorch.program(
                name, config, images, updates, compiled=not benchmark.quick
            ),
        }
        yield Training(name, programs, whole / count)


def measure(benchmark: Benchmark) -> dict[str, Any]:
    """Report of all measured times, as JSON values."""
    repeats = 1 if benchmark.quick else benchmark.repeats
    return turns.measure(lambda: trainings(benchmark), repeats)


def main(arguments: Sequence[str]) -> int:
    """Measure, print the table, and return the exit status."""
    return compare(
        Benchmark,
        arguments,
        "python -m benchmarks.generative",
        measure,
        lambda _, report: turns.table(report),
        turns.remark,
    )


if __name__ == "__main__":
    in_huge_pages(["train"])
    sys.exit(main(sys.argv[1:]))
