"""Runs grouped by their settings: those of one group differ in their seed alone."""

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dlfun.config import flatten_json
from dlfun.errors import UserError
from dlfun.train import run_directory


class Spread(NamedTuple):
    """A metric over seeds."""

    mean: float
    sd: float | None
    """The standard deviation, with n - 1; None for one seed."""


class Series(NamedTuple):
    """Runs of one setting."""

    label: str
    """The settings in which it differs from the others; its folder where there are none."""
    settings: dict[str, Any]
    """The settings that differ, by path."""
    experiment: str
    runs: list[Path]
    rows: list[list[dict[str, Any]]]
    """metrics.jsonl of each run."""
    results: list[dict[str, Any]]
    """result.json of each run."""

    def curve(self, split: str, metric: str) -> dict[int, Spread]:
        """The metric by epoch, over the runs that have come so far."""
        values: dict[int, list[float]] = {}
        for rows in self.rows:
            for row in rows:
                if row["split"] == split and metric in row:
                    values.setdefault(row["epoch"], []).append(row[metric])
        return {epoch: spread(values[epoch]) for epoch in sorted(values)}

    def final(self) -> dict[str, Spread]:
        """The metrics of result.json by split/name, over the runs that have them."""
        values: dict[str, list[float]] = {}
        for result in self.results:
            for split, metrics in result.get("metrics", {}).items():
                for name, value in metrics.items():
                    if isinstance(value, float):
                        values.setdefault(f"{split}/{name}", []).append(value)
        return {name: spread(measured) for name, measured in values.items()}


def spread(values: Sequence[float]) -> Spread:
    """Mean and standard deviation."""
    return Spread(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None)


def expand(paths: Sequence[Path]) -> list[Path]:
    """The run directories named, folders and sweeps replaced by the runs below them, each once.

    Raises UserError where a folder has none.
    """
    directories: list[Path] = []
    for path in paths:
        if (path / run_directory.CONFIG).is_file() or not path.is_dir():
            directories.append(path)
            continue
        below = [file.parent for file in sorted(path.rglob(run_directory.CONFIG))]
        if not below:
            raise UserError(f"{path} is not a run directory, and there is none below it")
        directories += below
    return list(dict.fromkeys(directories))


def group(directories: Sequence[Path]) -> list[Series]:
    """Runs by their settings. Raises UserError on what is no run directory.

    Two runs of equal settings and seed, perhaps of other code, are two series.
    """
    grouped: dict[tuple[str, int], list[Path]] = {}
    of: dict[tuple[str, int], dict[str, Any]] = {}
    seen: dict[tuple[str, Any], int] = {}
    for directory in directories:
        about = run_directory.read_config(directory)
        settings = {"experiment": about["experiment"]} | flatten_json(about["config"])
        options = {name.removesuffix("_run"): value for name, value in about["options"].items()}
        settings |= {f"--{name}": value for name, value in options.items()}
        seed = settings.pop("seed", None)
        text = json.dumps(settings)
        key = text, seen.get((text, seed), 0)
        seen[text, seed] = key[1] + 1
        grouped.setdefault(key, []).append(directory)
        of[key] = settings
    paths = dict.fromkeys(path for settings in of.values() for path in settings)
    if len({settings["experiment"] for settings in of.values()}) > 1:
        # What one experiment alone has says nothing of how they differ.
        paths = dict.fromkeys(p for p in paths if all(p in settings for settings in of.values()))
    differing = [
        path
        for path in paths
        if len({json.dumps(settings.get(path)) for settings in of.values()}) > 1
    ]
    series = []
    for key, runs in grouped.items():
        settings = {path: of[key][path] for path in differing if path in of[key]}
        series.append(
            Series(
                _label(settings),
                settings,
                of[key]["experiment"],
                runs,
                [run_directory.read_metrics(run) for run in runs],
                [run_directory.read_result(run) for run in runs],
            )
        )
    labels = [one.label for one in series]
    return [
        one if one.label and labels.count(one.label) == 1 else one._replace(label=str(one.runs[0]))
        for one in series
    ]


def _label(settings: dict[str, Any]) -> str:
    parts = []
    for path, value in settings.items():
        # optimizer.name is the optimizer.
        name = path.removesuffix(".name").rpartition(".")[2].lstrip("-").replace("_", " ")
        parts.append(text(value) if path == "experiment" else f"{name} {text(value)}")
    return ", ".join(parts)


def text(value: Any) -> str:
    """A setting for people."""
    if isinstance(value, list):
        return "-".join(map(text, value)) or "()"
    if isinstance(value, bool | None):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
