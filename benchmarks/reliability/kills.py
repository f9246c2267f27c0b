"""Kill trainings at random moments, resume them, and compare with uninterrupted ones.

Each command is a process of its own, forked from one that has imported the libraries: of the time
that a command takes otherwise, most goes into importing them, when there is nothing to lose.
"""

import multiprocessing
import os
import random
import shutil
import sys
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from dlfun.cli.main import main
from dlfun.errors import UserError
from dlfun.sweep.plan import PLAN
from dlfun.sweep.run import SIZES
from dlfun.sweep.study import RECORD
from dlfun.train import lockstep
from dlfun.train import run_directory as runs
from dlfun.train.driver import read_run

XOR = ("xor_mlp", "--hidden", "4")
DBN = ("--hidden", "16", "16", "--examples", "2000", "--labels", "500", "--epochs", "3")
GRID = ("--over", "optimizer.learning_rate=log(1e-2,1,4)", "--seeds", "2", "--batch", "2")
TPE = ("--over", "optimizer.learning_rate=log(1e-2,1)", "--strategy", "tpe", "--trials", "6")
PRUNED = ("--epochs", "3", "--prune", "halving", "--batch", "3")
SETTINGS = {
    "train, in memory": ("train", *XOR, "--epochs", "8", "--devices", "1"),
    "train, streamed": ("train", *XOR, "--epochs", "8", "--devices", "1", "--feed", "stream"),
    "train, two devices": ("train", *XOR, "--epochs", "8", "--devices", "2"),
    "sweep, grid": ("sweep", *XOR, *GRID, "--epochs", "2"),
    "sweep, TPE and pruning": ("sweep", *XOR, *TPE, *PRUNED),
    "reproduce": ("reproduce", "xor_mlp", "--seeds", "2"),
    "train, in stages": ("train", "mnist_dbn", *DBN, "--pretraining-epochs", "2"),
}
"""Commands that take seconds, by name; `--run-dir` is added to each."""
TIMINGS = ("seconds", "examples_per_second", "checksum")
PRELOADED = ("dlfun.train.driver", "dlfun.sweep.report", "orbax.checkpoint")
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload([__name__, *PRELOADED])
CRASHED = 70
"""Exit status of a command that has raised; Python's own, 1, is that of claims that fail."""
LONGEST = 300.0
"""Seconds after which a process is thought to hang."""


class Totals(NamedTuple):
    """Counts over commands that were killed and resumed."""

    kills: int = 0
    finished: int = 0
    """Commands that were taken to their end, after one kill or more."""
    arrays: int = 0
    """Arrays that were compared."""
    arrays_differ: int = 0
    metrics_differ: int = 0
    """Files result.json and metrics.jsonl that differ in anything but times."""
    lost: int = 0
    """Trainings and trials that are not there."""
    doubled: int = 0
    """Trainings that were trained again after their end, and trials that are recorded twice."""
    failed: int = 0
    """Processes that ended otherwise than the uninterrupted one."""

    @property
    def wrong(self) -> int:
        """The sum of the counts that must be 0."""
        return sum(self[self._fields.index("arrays_differ") :])

    def __add__(self, other: tuple) -> "Totals":
        return Totals(*(a + b for a, b in zip(self, other, strict=True)))


def kill_often(arguments: Sequence[str], kills: int, scratch: Path, seed: int) -> Totals:
    """Start a command over and over, until it has been killed so many times.

    Each command is taken to its end before the next one begins in a folder of its own.
    """
    moments = random.Random(seed)
    unbroken, again = scratch / "unbroken", scratch / "again"
    status, _ = run(arguments, unbroken, None)
    # Programs are compiled now: this one tells how long it takes, and that it can be repeated.
    _, seconds = run(arguments, again, sizes_of(unbroken))
    totals = compare(unbroken, again)._replace(arrays=0)
    while totals.kills < kills:
        folder = scratch / f"killed{totals.finished}"
        done: dict[str, int] = {}
        for _ in range(kills - totals.kills):
            after = moments.uniform(0, 0.6 * seconds)
            if run(arguments, folder, sizes_of(unbroken), after)[0] is not None:
                break
            totals += Totals(kills=1)
            done |= completed(folder)
        resumed_status, _ = run(arguments, folder, sizes_of(unbroken))
        again_trained = sum(completed(folder).get(path) != when for path, when in done.items())
        totals += compare(unbroken, folder)
        totals += Totals(finished=1, doubled=again_trained, failed=int(resumed_status != status))
        shutil.rmtree(folder)
    return totals


def run(
    arguments: Sequence[str], folder: Path, sizes: str | None, kill_after: float | None = None
) -> tuple[int | None, float]:
    """Run a command, or go on with it, to its end or to its death.

    `kill_after` counts seconds from the first file that is written. Returns the status, None of a
    process that was killed, and the seconds from the first file.
    """
    resumes = (folder / PLAN).exists()
    command = ["sweep", "--resume", str(folder)]
    command = command if resumes else [*arguments, "--run-dir", str(folder)]
    log = folder.with_name("log.txt")
    process, began = FORKS.Process(target=work, args=(command, log)), time.time_ns()
    process.start()
    while process.is_alive() and not written_since(folder, began):
        time.sleep(0.005)
    if sizes and (folder / PLAN).exists() and not (folder / SIZES).exists():
        (folder / SIZES).write_text(sizes)
    first = time.perf_counter()
    process.join(LONGEST if kill_after is None else kill_after)
    killed = process.is_alive()
    if killed:
        process.kill()
        process.join()
    seconds, status = time.perf_counter() - first, process.exitcode
    process.close()
    if status not in (0, 1) and not (killed and kill_after is not None):
        raise UserError(f"{' '.join(command)}: status {status}: {log.read_text()}")
    return None if killed else status, seconds


def work(command: Sequence[str], log: Path) -> None:
    """Run a command in this process, whose checkpoints follow one another as soon as they can.

    The process exits with the command's status, or with `CRASHED`.
    """
    with log.open("w") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    lockstep.SHARE = 0
    try:
        status = main(command)
    except Exception:
        traceback.print_exc()
        status = CRASHED
    sys.exit(status)


def written_since(folder: Path, when: int) -> bool:
    """True if a file at or below a folder was written since a time in nanoseconds."""
    try:
        return any(path.stat().st_mtime_ns > when for path in [folder, *folder.rglob("*")])
    except OSError:
        return False  # Not there yet, or a file has vanished meanwhile.


def sizes_of(sweep: Path) -> str | None:
    """The file with the number of members that a sweep trained at once, on which bits depend."""
    return (sweep / SIZES).read_text() if (sweep / SIZES).exists() else None


def trainings(folder: Path) -> dict[str, Path]:
    """The run directories at or below a folder, by their path in it."""
    directories = sorted(path.parent for path in folder.rglob(runs.CONFIG))
    return {path.relative_to(folder).as_posix(): path for path in directories}


def completed(folder: Path) -> dict[str, int]:
    """The time at which the result of each completed training was written."""
    return {
        name: (path / runs.RESULT).stat().st_mtime_ns
        for name, path in trainings(folder).items()
        if runs.read_result(path).get("status") == "completed"
    }


def compare(unbroken: Path, killed: Path) -> Totals:
    """Differences between two folders that the same command has made."""
    expected, actual = trainings(unbroken), trainings(killed)
    totals = Totals(lost=len(expected.keys() - actual), doubled=len(actual.keys() - expected))
    for name in expected.keys() & actual:
        one, other = expected[name], actual[name]
        totals += Totals(metrics_differ=int(results(one) != results(other)))
        totals += Totals(metrics_differ=int(rows(one) != rows(other)))
        for which in ("last", "best"):
            expected_arrays, actual_arrays = arrays(one, which), arrays(other, which)
            differ = sum(
                expected_arrays.get(path) != actual_arrays.get(path)
                for path in expected_arrays.keys() | actual_arrays
            )
            totals += Totals(arrays=len(expected_arrays), arrays_differ=differ)
    if (unbroken / PLAN).exists():
        expected_trials, actual_trials = trials(unbroken), trials(killed)
        totals += Totals(
            lost=len(expected_trials.keys() - actual_trials),
            doubled=(actual_trials - expected_trials).total(),
        )
    return totals


def results(run: Path) -> dict[str, Any]:
    """The contents of result.json but for times."""
    return {k: v for k, v in runs.read_result(run).items() if k not in TIMINGS}


def rows(run: Path) -> list[dict[str, Any]]:
    """The rows of metrics.jsonl but for times."""
    read = runs.read_metrics(run)
    return [{k: v for k, v in row.items() if k not in TIMINGS} for row in read]


def arrays(run: Path, which: Any) -> dict[str, tuple[str, bytes]]:
    """Type and bytes of each array of the state, and the step, in a checkpoint of a run."""

    def refuse(text: str) -> None:
        raise UserError(text)

    trained = read_run(run, refuse, which).trained
    leaves = jax.tree.leaves_with_path((trained.step, trained.state))
    host = {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves}
    return {path: (f"{a.dtype}{a.shape}", a.tobytes()) for path, a in host.items()}


def trials(sweep: Path) -> Counter[int]:
    """The number of records of each trial's results."""
    lines = (sweep / RECORD).read_bytes().splitlines()
    recorded = (runs.json_of(line, dict[str, Any]) for line in lines)
    return Counter(row["trial"] for row in recorded if "status" in row)
