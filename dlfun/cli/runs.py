"""The command `runs`."""

import contextlib
import json
import math
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.table import Table

from dlfun.cli.console import note, show
from dlfun.errors import UserError, nearest
from dlfun.experiment import format_metric
from dlfun.train import run_directory
from dlfun.train.run_directory import SWEEP

SWEEP_TABLE = "table.json"
Status = Literal[
    "completed", "diverged", "failed", "interrupted", "running", "killed", "damaged", "not begun"
]
DONE = ("completed", "diverged")
SORTS = ("when", "experiment", "status", "seconds", "size", "run")


@dataclass(frozen=True)
class Runs:
    """List runs and sweeps: when, status, metrics, seconds, size."""

    folders: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER …")]
    """Folders to look in. Default: runs."""
    experiment: str | None = None
    """Only those of this experiment."""
    status: Status | None = None
    """Only those of this status."""
    sort: str = "when"
    """when, experiment, status, seconds, size, run, or a metric such as test/accuracy, largest
    last."""
    prune: bool = False
    """Delete the checkpoints of what is listed and done, once you have said yes."""
    yes: bool = False
    """Do not ask."""
    json: bool = False
    """Print JSON instead of a table."""

    def __call__(self) -> int:
        folders = self.folders or (Path("runs"),)
        for folder in folders:
            if not folder.is_dir():
                raise UserError(f"{folder}: no such folder; runs lists the runs below a folder")
        rows = [describe(path) for folder in folders for path in find(folder)]
        known = {row["experiment"] for row in rows}
        if self.experiment and self.experiment not in known:
            guess = nearest(self.experiment, known)
            raise UserError(f"--experiment {self.experiment}: there are no runs of it{guess}")
        rows = [
            row
            for row in rows
            if self.experiment in (None, row["experiment"]) and self.status in (None, row["status"])
        ]
        rows = ordered(rows, self.sort)
        if self.prune:
            return prune([row for row in rows if row["status"] in DONE], self.yes)
        if self.json:
            print(json.dumps([_plain(row) for row in rows], indent=2))
        elif rows:
            show(_table(rows))
        else:
            note("no runs")
        return 0


def find(folder: Path) -> Iterator[Path]:
    """The run directories and sweeps at or below a folder; the trials of a sweep are part of it."""
    for path, folders, files in os.walk(folder):
        if run_directory.CONFIG in files or SWEEP in files:
            yield Path(path)
            folders.clear()
        folders.sort()


def describe(path: Path) -> dict[str, Any]:
    """What `runs` says of a run directory or a sweep; status "damaged" where it is not readable."""
    sweep = (path / SWEEP).exists()
    metrics: dict[str, float] = {}
    seconds = None
    try:
        about = run_directory.read_json(path / (SWEEP if sweep else run_directory.CONFIG))
        if sweep:
            status, metrics = _sweep(path)
        else:
            result = run_directory.read_result(path)
            status, seconds = result.get("status", "not begun"), result.get("seconds")
            metrics = _flat(result.get("metrics", {}))
            if status == "running" and not _in_use(path):
                status = "killed"
        experiment = about["experiment"]
    except (UserError, AttributeError, KeyError, TypeError):
        experiment, status = "", "damaged"
    return {
        "run": str(path),
        "kind": "sweep" if sweep else "run",
        "experiment": experiment,
        "when": _modified(path),
        "status": status,
        "metrics": metrics,
        "seconds": seconds,
        "size": _size(path),
    }


def _sweep(path: Path) -> tuple[str, dict[str, float]]:
    """How far a sweep is, as its last report says, and its best trial's metric."""
    if not (path / SWEEP_TABLE).exists():
        return "no report", {}
    table = run_directory.read_json(path / SWEEP_TABLE)
    done = sum(trial["status"] in DONE or trial["status"] == "pruned" for trial in table["trials"])
    best = table["trials"][0]["mean"] if table["trials"] else None
    status = "completed" if done == len(table["trials"]) else f"{done} of {len(table['trials'])}"
    return status, {table["metric"]: best} if best is not None else {}


def _flat(splits: dict[str, dict[str, Any]]) -> dict[str, float]:
    return {
        f"{split}/{name}": value
        for split, metrics in splits.items()
        for name, value in metrics.items()
        if isinstance(value, float)
    }


def _in_use(run: Path) -> bool:
    try:
        with run_directory.locked(run):
            return False
    except (UserError, OSError):
        return True


def _size(path: Path) -> int:
    """Bytes of the files below a folder; those that vanish meanwhile count for nothing."""
    total = 0
    for file in path.rglob("*"):
        with contextlib.suppress(OSError):
            total += file.stat().st_size
    return total


def _modified(path: Path) -> float:
    """When the newest of a run's own files was written, in seconds since 1970."""
    names = (run_directory.RESULT, run_directory.CONFIG, SWEEP, SWEEP_TABLE)
    return max((p.stat().st_mtime for n in names if (p := path / n).exists()), default=0.0)


def ordered(rows: Sequence[dict[str, Any]], by: str) -> list[dict[str, Any]]:
    """The rows by a column or a metric; those without it come first.

    Raises UserError where no row has it.
    """
    if by in SORTS:
        return sorted(rows, key=lambda row: (row[by] is not None, row[by] or 0, row["run"]))
    known = {name for row in rows for name in row["metrics"]}
    if rows and by not in known:
        expected = ", ".join(SORTS)
        raise UserError(
            f"--sort {by}{nearest(by, [*SORTS, *known])}: expected {expected} or a metric of a run"
        )
    return sorted(rows, key=lambda row: (row["metrics"].get(by, -math.inf), row["run"]))


def main_metrics(metrics: dict[str, float]) -> dict[str, float]:
    """The one or two metrics that say most: accuracy and loss of the test split where there are."""
    for split in ("test", "validation", "train"):
        mine = {name: value for name, value in metrics.items() if name.startswith(f"{split}/")}
        usual = [f"{split}/accuracy", f"{split}/loss"]
        names = [name for name in usual if name in mine] or list(mine)[:2]
        if names:
            return {name: mine[name] for name in names}
    return {}


def _table(rows: Sequence[dict[str, Any]]) -> Table:
    table = Table("run", "experiment", "when", "status", "metrics", "seconds", "size", box=None)
    for row in rows:
        metrics = main_metrics(row["metrics"])
        table.add_row(
            row["run"],
            row["experiment"],
            time.strftime("%Y-%m-%d %H:%M", time.localtime(row["when"])),
            row["status"],
            "  ".join(f"{name} {format_metric(name, value)}" for name, value in metrics.items()),
            "" if row["seconds"] is None else f"{row['seconds']:.1f}",
            megabytes(row["size"]),
        )
    return table


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    when = time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(row["when"]))
    return row | {"when": when}


def megabytes(size: float) -> str:
    """A size in bytes for people."""
    return f"{size / 1e6:.1f} MB"


def prune(rows: Sequence[dict[str, Any]], yes: bool) -> int:
    """Delete the checkpoints of runs and of the trials of sweeps, once the user has said yes."""
    folders = [
        path
        for row in rows
        for path in sorted(Path(row["run"]).rglob(run_directory.CHECKPOINTS))
        if path.is_dir() and _done(path.parent)
    ]
    size = sum(map(_size, folders))
    if not folders:
        note("no checkpoints of completed or diverged runs")
        return 0
    what = f"the checkpoints of {len(folders)} finished run{'s' * (len(folders) > 1)}"
    note(f"{what}, {megabytes(size)}; evaluate, predict and plot need them")
    if not yes:
        try:
            answer = input(f"delete {what}? [y/N] ")
        except EOFError:
            raise UserError("--prune asks first, and nobody answers: give --yes") from None
        if answer.strip().lower() not in ("y", "yes"):
            note("nothing was deleted")
            return 0
    for path in folders:
        shutil.rmtree(path)
    print(f"deleted {what}, {megabytes(size)}")
    return 0


def _done(run: Path) -> bool:
    with contextlib.suppress(UserError, AttributeError):
        return run_directory.read_result(run).get("status") in DONE
    return False
