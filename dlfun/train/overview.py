"""An overview of the runs and sweeps below a folder: what each is, how far it came, its size."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypedDict

from dlfun.errors import UserError
from dlfun.train import run_directory
from dlfun.train.run_directory import FINAL, SWEEP

SWEEP_TABLE, SWEEP_RECORD = "table.json", "trials.jsonl"


def find(folder: Path) -> Iterator[Path]:
    """The run directories and sweeps at or below a folder; the trials of a sweep are part of it."""
    for path, folders, files in os.walk(folder):
        if {run_directory.CONFIG, run_directory.RESULT, SWEEP, SWEEP_RECORD} & set(files):
            yield Path(path)
            folders.clear()
        folders.sort()


class Named(TypedDict):
    """The field that config.json and sweep.json both have."""

    experiment: str


def describe(path: Path) -> dict[str, Any]:
    """A row of `runs` for a run or a sweep; its status is "damaged" where it cannot be read."""
    sweep = any((path / name).exists() for name in (SWEEP, SWEEP_RECORD))
    metrics: dict[str, float] = {}
    seconds = None
    try:
        about = run_directory.read_json(path / (SWEEP if sweep else run_directory.CONFIG), Named)
        if sweep:
            status, metrics, seconds = _sweep(path)
        else:
            result = run_directory.read_result(path)
            status, seconds = result.get("status", "not begun"), result.get("seconds")
            metrics = _flat(result.get("metrics", {}))
            if status == "running" and not _in_use(path):
                status = "killed"
        experiment = about["experiment"]
    except (OSError, UserError, AttributeError, KeyError, TypeError):
        experiment, status = "", "damaged"
    return {
        "run": str(path),
        "kind": "sweep" if sweep else "run",
        "experiment": experiment,
        "when": _modified(path),
        "status": status,
        "metrics": metrics,
        "seconds": seconds,
        "size": size(path),
    }


def _sweep(path: Path) -> tuple[str, dict[str, float], float | None]:
    """The status of a sweep by its last report, the metric of its best trial, and its seconds.

    These are the sum over its trainings, members trained at once having equal shares of their time.
    """
    metrics, completed, seconds = {}, False, None
    if (path / SWEEP_TABLE).exists():
        table = run_directory.read_json(path / SWEEP_TABLE, dict[str, Any])
        completed = all(trial["status"] in (*FINAL, "pruned") for trial in table["trials"])
        best = table["trials"][0]["mean"] if table["trials"] else None
        metrics = {table["metric"]: best} if best is not None else {}
        seconds = sum((t["seconds"] or 0.0) * len(t["scores"]) for t in table["trials"])
    status = "completed" if completed else "running" if _in_use(path) else "interrupted"
    return status, metrics, seconds


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


def size(path: Path) -> int:
    """Bytes of the files below a folder; those that vanish meanwhile count for nothing."""
    total = 0
    for file in path.rglob("*"):
        with contextlib.suppress(OSError):
            total += file.stat().st_size
    return total


def _modified(path: Path) -> float:
    """The time of the last change of a run's own files, in seconds since 1970."""
    names = (run_directory.RESULT, run_directory.CONFIG, SWEEP, SWEEP_TABLE)
    return max((p.stat().st_mtime for n in names if (p := path / n).exists()), default=0.0)
