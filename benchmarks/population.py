"""Timings of populations beside single trainings: a sweep, and members by their number.

python -m benchmarks.population                       # sizes that suit the device
python -m benchmarks.population --no-sweep --mlp 1 8 64 512 --cnn 1 8 64
"""

import dataclasses
import json
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated, Any, get_args

import jax
from annotated_types import Ge

from benchmarks import command, tables
from benchmarks.ours import compiled, epochs, of_experiment, only_training
from benchmarks.tables import Rows
from benchmarks.worker import ROOT
from dlfun import data
from dlfun import experiment as experiments
from dlfun.errors import UserError
from dlfun.sweep.executors import cores, set_up_process
from dlfun.train import loop
from dlfun.train import run_directory as runs
from dlfun.train.batches import Feed
from dlfun.train.compile import REPLICATED, compile_learner
from dlfun.train.options import Options
from dlfun.train.population import group

FIVE = ("mnist_mlp", "mnist_cnn", "mnist_rnn", "mnist_lstm", "mnist_gru")
EPOCHS, RATES, DECAYS, SEEDS = 3, 8, 3, 5
TRAININGS = RATES * DECAYS * SEEDS
SWEEP = (
    "--over",
    f"optimizer.learning_rate=log(1e-4,1e-1,{RATES})",
    "--over",
    "optimizer.weight_decay=0,1e-4,1e-3",
    "--seeds",
    str(SEEDS),
    "--epochs",
    str(EPOCHS),
)


@dataclass(frozen=True)
class Benchmark:
    """Time a whole sweep, and epochs of populations of several sizes."""

    networks: tuple[str, ...] | None = None
    """Experiments whose single epoch is timed. Default: on a CPU the MLP, else five on MNIST."""
    mlp: tuple[Annotated[int, Ge(1)], ...] | None = None
    """Numbers of MLPs trained at once. Default: 1 2 4 8 on a CPU, else 1 8 64 512."""
    cnn: tuple[Annotated[int, Ge(1)], ...] | None = None
    """Numbers of CNNs trained at once. Default: none on a CPU, else 1 8 64."""
    sweep: bool = True
    """Time the sweep of 120 trainings, and separate processes."""
    processes: Annotated[int, Ge(2)] = 12
    """Number of the 120 trainings to time as separate processes."""
    repeats: Annotated[int, Ge(1)] = 3
    """Epochs of which the median is reported."""
    markdown: bool = False
    """Print Markdown instead of tables."""


@command.one_line_errors
def main(arguments: list[str]) -> int:
    """Measure, print each table as soon as it is measured, and return the exit status."""
    benchmark = command.parse(Benchmark, arguments, "python -m benchmarks.population")
    set_up_process("default", cores())
    on_cpu = jax.default_backend() == "cpu"
    networks = benchmark.networks or (FIVE[:1] if on_cpu else FIVE)
    check_networks(networks)
    data.load("fashion_mnist")  # It must be there before minutes of measuring.
    device = jax.devices()[0]
    kind = runs.environment()["device"]["processor"] if on_cpu else device.device_kind
    print(
        f"{time.strftime('%Y-%m-%d')}, {kind}, {cores()} cores; python "
        f"{platform.python_version()}, jax {jax.__version__}"
    )
    for table in _tables(benchmark, networks, on_cpu):
        print(tables.markdown(table), flush=True) if benchmark.markdown else tables.show(table)
    return 0


def check_networks(names: Sequence[str]) -> None:
    """Raise UserError unless each experiment has a field `dataset` and a field `optimizer`."""
    for name in names:
        fields = vars(experiments.load(name).default)
        if not {"dataset", "optimizer"} <= fields.keys():
            raise UserError(f"--networks {name}: expected a classifier, such as {', '.join(FIVE)}")


def _tables(benchmark: Benchmark, networks: Sequence[str], on_cpu: bool) -> Iterator[Rows]:
    """Yield each table as soon as it is measured."""
    repeats = benchmark.repeats
    yield _singles({name: one_epoch(name, repeats) for name in networks})
    sizes = {
        "mnist_mlp": benchmark.mlp or ((1, 2, 4, 8) if on_cpu else (1, 8, 64, 512)),
        "mnist_cnn": benchmark.cnn or (() if on_cpu else (1, 8, 64)),
    }
    for name, many in sizes.items():
        if many:
            yield _populations(name, many, repeats)
    yield _feeds(repeats)
    if benchmark.sweep:
        yield _sweep(benchmark.processes, repeats)


def one_epoch(name: str, repeats: int, feed: Feed | None = None, dataset: str = "mnist") -> float:
    """Median seconds of an epoch of a training alone, as `train` runs it, without evaluation."""
    config = experiments.load(name).Config(dataset=dataset)
    stage, options = of_experiment(name, config, Options(feed=feed))
    stage = only_training(stage, None)
    return _median(epochs(stage, compiled(stage, options)), repeats)


def together(name: str, count: int, repeats: int) -> float:
    """Median seconds of an epoch of `count` members with different rates and seeds."""
    experiment = experiments.load(name)
    base = experiment.Config()
    rates = [1e-3 * (1 + i / count) for i in range(count)]
    members = [
        dataclasses.replace(
            base, seed=i, optimizer=dataclasses.replace(base.optimizer, learning_rate=rate)
        )
        for i, rate in enumerate(rates)
    ]
    (one,) = group(experiment, members)
    programs = compile_learner(
        lambda values: one.stages(values)[0].learner,
        members=min(jax.local_device_count(), count),
    )
    stage = only_training(one.stages()[0], None)
    splits = programs.put(stage.dataset.splits, REPLICATED)
    stage = stage._replace(dataset=stage.dataset._replace(splits=splits))
    numbers = range(count)
    work, values = loop.Work(stage, one.seeds(numbers)), one.values(numbers)
    first = loop.compile_first_state(lambda values: one.stages(values)[0], work.stage.dataset)
    states = loop.first_states(first, work, values)
    position = loop.start(work, programs)._replace(state=states)
    fitting = loop.fit(work, position, programs, values)
    return _median((progress for progress in fitting if progress.evaluated), repeats)


def _median(epochs: Any, repeats: int) -> float:
    next(epochs)  # Compiles, and warms up.
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        next(epochs)
        times.append(time.perf_counter() - began)
    return median(times)


def _singles(single: dict[str, float]) -> Rows:
    rows = [(name, f"{seconds:.3g}") for name, seconds in single.items()]
    return Rows("One training alone", ("network", "seconds an epoch"), rows)


def _feeds(repeats: int) -> Rows:
    """Seconds of an epoch with the data on the device, and streamed from the host."""
    rows = []
    for feed in get_args(Feed):
        seconds = one_epoch("mnist_mlp", repeats, feed, "fashion_mnist")
        rows.append((feed, f"{seconds:.3g}", f"{60_000 / seconds:,.0f}"))
    title = "Feeding the MLP with Fashion-MNIST"
    return Rows(title, ("feed", "seconds an epoch", "examples a second"), rows)


def _populations(name: str, sizes: tuple[int, ...], repeats: int) -> Rows:
    rows = []
    for size in sizes:
        seconds = together(name, size, repeats)
        rows.append((str(size), f"{seconds:.3g}", f"{seconds / size:.3g}"))
    header = ("members at once", "seconds an epoch", "seconds an epoch and member")
    return Rows(f"Populations of {name}", header, rows)


def _sweep(processes: int, repeats: int) -> Rows:
    """Time the sweep and, before and after it, bare epochs and trainings as processes."""
    folder, bare = Path(tempfile.mkdtemp(prefix="dlfun-")), [one_epoch("mnist_mlp", repeats)]
    try:
        before = [_process(folder, number) for number in range(processes // 2)]
        began = time.perf_counter()
        _launch("sweep", "mnist_mlp", *SWEEP, "--run-dir", str(folder / "sweep"))
        seconds = time.perf_counter() - began
        table = json.loads((folder / "sweep" / "table.json").read_text())
        assert len(table["trials"]) == RATES * DECAYS
        after = [_process(folder, number) for number in range(processes // 2, processes)]
    finally:
        shutil.rmtree(folder)
    bare.append(one_epoch("mnist_mlp", repeats))
    alone = TRAININGS * EPOCHS * sum(bare) / 2
    apart = TRAININGS * median(before + after)
    rows = [
        ("bare training at full speed", f"{alone:.1f}", "1"),
        ("sweep, all included", f"{seconds:.1f}", f"{seconds / alone:.2f}"),
        (f"processes, from {processes} of them", f"{apart:.0f}", f"{apart / seconds:.1f} sweeps"),
    ]
    title = f"{RATES} rates x {DECAYS} decays x {SEEDS} seeds of mnist_mlp, {EPOCHS} epochs each"
    return Rows(title, ("120 trainings", "seconds", "ratio"), rows)


def _process(folder: Path, number: int) -> float:
    """Seconds of one training of the sweep as a separate process."""
    began = time.perf_counter()
    rate = 10 ** (-4 + 3 * (number % RATES) / (RATES - 1))
    flags = ("--optimizer.learning-rate", str(rate), "--optimizer.weight-decay", "1e-4")
    where = ("--epochs", str(EPOCHS), "--seed", str(number), "--run-dir", str(folder / str(number)))
    _launch("train", "mnist_mlp", *flags, *where)
    return time.perf_counter() - began


def _launch(*arguments: str) -> None:
    command = [sys.executable, "launch.py", *arguments]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
