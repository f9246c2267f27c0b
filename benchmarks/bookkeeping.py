"""Time that a sweep takes beside training: `python -m benchmarks.bookkeeping --help`.

Trainings of `xor_mlp` take milliseconds, so that a sweep of many is almost all bookkeeping:
proposals, run directories, checkpoints, results and the report.
"""

import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import jax
import numpy as np
from annotated_types import Ge

from benchmarks import command, tables
from benchmarks.tables import Rows
from benchmarks.worker import ROOT
from dlfun import config as configs
from dlfun import experiment as experiments
from dlfun.sweep.executors import cores, set_up_process
from dlfun.sweep.run import SIZES
from dlfun.train import loop
from dlfun.train import run_directory as runs
from dlfun.train.compile import REPLICATED, compile_learner
from dlfun.train.population import group
from dlfun.train.trainer import AMONG

NAME, RATE = "xor_mlp", "optimizer.learning_rate"


@dataclass(frozen=True)
class Benchmark:
    """Time sweeps of a tiny experiment beside bare training of the same members."""

    trials: tuple[Annotated[int, Ge(2)], ...] = (1_000, 10_000)
    """Numbers of trials of the sweeps."""
    checkpoints: tuple[Literal["all", "best", "none"], ...] = ("all", "none")
    """Checkpoints that the members of each sweep keep."""
    markdown: bool = False
    """Print Markdown instead of a table."""


@command.one_line_errors
def main(arguments: list[str]) -> int:
    """Measure, print the table, and return the exit status."""
    benchmark = command.parse(Benchmark, arguments, "python -m benchmarks.bookkeeping")
    set_up_process("default", cores())
    rows = []
    for trials in benchmark.trials:
        for kept in benchmark.checkpoints:
            seconds, size, files, megabytes = sweep(trials, kept)
            alone = bare(trials, size)
            cells = f"{alone:.1f}", f"{seconds:.1f}", f"{seconds - alone:.1f}"
            rows.append((f"{trials:,}", kept, *cells, f"{files:.1f}", f"{megabytes:.0f}"))
    header = ("trials", "checkpoints", "bare training, s", "sweep, s", "beside training, s")
    table = Rows(f"Sweeps of {NAME}", (*header, "files a trial", "MB"), rows)
    print(tables.markdown(table)) if benchmark.markdown else tables.show(table)
    return 0


def sweep(trials: int, checkpoints: str) -> tuple[float, int, float, float]:
    """Seconds of a sweep's process, members at once, files a trial, and megabytes."""
    with tempfile.TemporaryDirectory(prefix="dlfun-") as temporary:
        folder = Path(temporary) / "sweep"
        flags = ["--over", f"{RATE}=log(1e-3,1)", "--strategy", "random", "--trials", str(trials)]
        flags += ["--checkpoints", checkpoints, "--run-dir", str(folder)]
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "launch.py", "sweep", NAME, *flags],
            cwd=ROOT,
            check=True,
            capture_output=True,
        )
        seconds = time.perf_counter() - began
        measured = runs.read_json(folder / SIZES, dict[str, int])
        (size,) = (count for name, count in measured.items() if not name.startswith(AMONG))
        sizes = [file.stat().st_size for file in folder.rglob("*") if file.is_file()]
    return seconds, size, len(sizes) / trials, sum(sizes) / 1e6


def bare(trials: int, size: int) -> float:
    """Seconds of training as many members, `size` at once, without writing anything."""
    experiment = experiments.load(NAME)
    rates = np.geomspace(1e-3, 1, size)
    members = [configs.replace(experiment.default, {RATE: float(rate)}) for rate in rates]
    (one,) = group(experiment, members, (RATE,))
    programs = compile_learner(
        lambda values: one.stages(values)[0].learner, members=jax.local_device_count()
    )
    stage = one.stages()[0]
    splits = programs.put(stage.dataset.splits, REPLICATED)
    stage = stage._replace(dataset=stage.dataset._replace(splits=splits))
    numbers = range(size)
    work, values = loop.Work(stage, one.seeds(numbers)), one.values(numbers)
    first = loop.compile_first_state(lambda values: one.stages(values)[0], work.stage.dataset)

    zero = loop.zero_totals(stage.learner, stage.dataset, programs.rows)

    def train() -> float:
        began = time.perf_counter()
        state = loop.first_states(first, work, values)
        position = loop.Position(state, 0, loop.stack([zero] * size))
        for progress in loop.fit(work, position, programs, values):
            jax.block_until_ready(progress.position.state)
        return time.perf_counter() - began

    train()  # Compiles.
    return train() * -(-trials // size)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
