"""The sweeps of the book, read from what `sweep-report` writes."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

from dlfun.cli.book.figures import Figure, converted
from dlfun.errors import UserError
from dlfun.sweep.table import format_value, score
from dlfun.train import overview, run_directory

Cell = tuple[str, Any]
"""A text, and the value by which it is sorted."""


class Sweep(NamedTuple):
    """A sweep."""

    title: str
    folder: str
    experiment: str
    metric: str
    columns: list[str]
    rows: list[list[Cell]]
    commands: list[str]
    figures: list[Figure]


class Trial(TypedDict):
    """A trial of table.json."""

    rank: int
    trial: int
    status: str
    values: dict[str, Any]
    mean: float | None
    sd: float | None
    scores: dict[str, float | None]
    seconds: float | None


class Ranking(TypedDict):
    """The fields of a sweep's table.json that are read."""

    metric: str
    trials: list[Trial]
    rerun: list[str]


def read_sweep(path: Path, name: str, book: Path, warn: Callable[[str], None]) -> Sweep:
    """A sweep, whose figures go into the book by a name.

    Raises UserError where it has no table yet, or a damaged one.
    """
    if not (path / overview.SWEEP_TABLE).exists():
        raise UserError(f"{path} has no table yet: sweep-report {path} makes it")
    table = run_directory.read_json(path / overview.SWEEP_TABLE, Ranking)
    about = run_directory.read_json(path / run_directory.SWEEP, overview.Named)
    metric, trials = table["metric"], table["trials"]
    swept = list(dict.fromkeys(field for trial in trials for field in trial["values"]))
    images = sorted((path / run_directory.PLOTS).glob("*.png"))
    return Sweep(
        title=f"{about['experiment']} over {', '.join(swept) or 'seeds'}",
        folder=str(path),
        experiment=about["experiment"],
        metric=metric,
        columns=["rank", "trial", "status", *swept, metric, "seeds", "seconds"],
        rows=[_cells(trial, swept, metric) for trial in trials],
        commands=table["rerun"],
        figures=[*converted(images, name, book, warn)],
    )


def _cells(trial: Trial, swept: list[str], metric: str) -> list[Cell]:
    def plain(value: Any) -> Cell:
        return str(value), value

    def setting(value: Any) -> Cell:
        value = tuple(value) if isinstance(value, list) else value
        return "" if value is None else format_value(value), value

    mean, seconds = trial["mean"], trial["seconds"]
    return [
        *(plain(value) for value in (trial["rank"], trial["trial"], trial["status"])),
        *(setting(trial["values"].get(field)) for field in swept),
        (score(math.nan if mean is None else mean, metric, trial["sd"]), mean),
        plain(len(trial["scores"])),
        ("" if seconds is None else f"{seconds:.1f}", seconds),
    ]
