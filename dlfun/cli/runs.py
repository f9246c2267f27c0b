"""The command `runs`."""

import contextlib
import json
import math
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.table import Table

from dlfun.cli.console import note, several, show
from dlfun.errors import UserError, nearest
from dlfun.experiment import format_metric
from dlfun.train import run_directory
from dlfun.train.overview import describe, find, size

Status = Literal[
    "completed", "diverged", "failed", "interrupted", "running", "killed", "damaged", "not begun"
]
SORTS = ("when", "experiment", "status", "seconds", "size", "run")


@dataclass(frozen=True)
class Runs:
    """List runs and sweeps: when, status, metrics, seconds of training, size."""

    folders: Annotated[tuple[Path, ...], tyro.conf.Positional, several("FOLDER …")]
    """Folders to look in. Default: runs."""
    experiment: str | None = None
    """Only those of this experiment."""
    status: Status | None = None
    """Only those of this status."""
    sort: str = "when"
    """when, experiment, status, seconds, size, run, or a metric such as test/accuracy, largest
    last."""
    prune: bool = False
    """Delete the checkpoints of the finished runs that are listed, after a confirmation."""
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
        names = {row["experiment"] for row in rows}
        if self.experiment and self.experiment not in names:
            guess = nearest(self.experiment, names)
            raise UserError(f"--experiment {self.experiment}: there are no runs of it{guess}")
        rows = [
            row
            for row in rows
            if self.experiment in (None, row["experiment"]) and self.status in (None, row["status"])
        ]
        rows = ordered(rows, self.sort)
        if self.prune:
            return prune([row for row in rows if row["status"] in run_directory.FINAL], self.yes)
        if self.json:
            print(json.dumps([_plain(row) for row in rows], indent=2))
        elif rows:
            show(_table(rows))
        else:
            note("no runs")
        return 0


def ordered(rows: Sequence[dict[str, Any]], by: str) -> list[dict[str, Any]]:
    """The rows by a column or a metric; those without it come first.

    Raises UserError where no row has it.
    """
    if by in SORTS:
        return sorted(rows, key=lambda row: (row[by] is not None, row[by] or 0, row["run"]))
    metrics = {name for row in rows for name in row["metrics"]}
    if rows and by not in metrics:
        expected = ", ".join(SORTS)
        raise UserError(
            f"--sort {by}{nearest(by, [*SORTS, *metrics])}: expected {expected} "
            "or a metric of a run"
        )
    return sorted(rows, key=lambda row: (row["metrics"].get(by, -math.inf), row["run"]))


def main_metric(metrics: dict[str, float]) -> str:
    """The metric that says most: the accuracy of the test split where there is one."""
    for split in ("test", "validation", "train"):
        mine = [name for name in metrics if name.startswith(f"{split}/")]
        for name in (f"{split}/accuracy", f"{split}/loss", *mine):
            if name in mine:
                return f"{name} {format_metric(name, metrics[name])}"
    return ""


def _table(rows: Sequence[dict[str, Any]]) -> Table:
    """The rows for a terminal, of 80 columns too."""
    table = Table(box=None, padding=(0, 1, 0, 0))
    # A default directory has the experiment in its path.
    in_path = all(row["experiment"] in Path(row["run"]).parts for row in rows)
    table.add_column("run", overflow="fold", min_width=12)
    for name in ("when", "status", "metric", "seconds", "size"):
        table.add_column(name, no_wrap=name == "status", justify="left")
    if not in_path:
        table.add_column("experiment", overflow="fold")
    for row in rows:
        cells = [
            row["run"],
            time.strftime("%Y-%m-%d %H:%M", time.localtime(row["when"])),
            row["status"],
            main_metric(row["metrics"]),
            "" if row["seconds"] is None else f"{row['seconds']:.1f}",
            megabytes(row["size"]),
            row["experiment"],
        ]
        table.add_row(*cells[: len(table.columns)])
    return table


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    when = time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(row["when"]))
    return row | {"when": when}


def megabytes(size: float) -> str:
    """A size in bytes for people."""
    return f"{size / 1e6:.1f} MB"


def prune(rows: Sequence[dict[str, Any]], yes: bool) -> int:
    """Delete the checkpoints of runs and of the trials of sweeps, after a confirmation."""
    folders = [
        path
        for row in rows
        for path in sorted(Path(row["run"]).rglob(run_directory.CHECKPOINTS))
        if path.is_dir() and _done(path.parent)
    ]
    total = sum(map(size, folders))
    if not folders:
        note("no checkpoints of completed or diverged runs")
        return 0
    what = f"the checkpoints of {len(folders)} finished run{'s' * (len(folders) > 1)}"
    note(f"{what}, {megabytes(total)}; evaluate, predict and plot need them")
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
    print(f"deleted {what}, {megabytes(total)}")
    return 0


def _done(run: Path) -> bool:
    with contextlib.suppress(UserError, AttributeError):
        return run_directory.read_result(run).get("status") in run_directory.FINAL
    return False
