"""Series of numbers, a row a step, and the windows of them that a forecast reads."""

import itertools
import logging
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from dlfun.data import csv_table
from dlfun.data.csv_table import Table
from dlfun.data.dataset import Dataset
from dlfun.errors import UserError

PREFIX = "csv:"
SHARES = (0.8, 0.9)
"""The shares of a user's series at which its validation and its test part begin."""
_log = logging.getLogger(__name__)


class Series(NamedTuple):
    """A series, oldest step first.

    Attributes:
        name: the name it was loaded by.
        columns: the name of each observed column; the first is the one that is forecast.
        values: what is observed at each step.
        known: what is known in advance of each step, and of the step after the last: harmonics of
            the day of the year, the kind of the day.
        bounds: for each split the steps [start, stop) that are forecast in it.
        names: a name of each step for people, such as its date or its line.
    """

    name: str
    columns: tuple[str, ...]
    values: Float[np.ndarray, "steps columns"]
    known: Float[np.ndarray, "steps_and_one features"]
    bounds: Mapping[str, tuple[int, int]]
    names: tuple[str, ...]


def windows(
    series: Series, length: int, start: int, stop: int
) -> Float[np.ndarray, "steps length columns"]:
    """The window of `length` steps before each step in [start, stop), from which it is forecast.

    Beside the values of step t, a row holds what is known in advance of step t + 1.

    Raises:
        UserError: the first step has fewer than `length` before it, or there is no step.
    """
    size = len(series.values)
    if not length <= start < stop <= size + 1:
        raise UserError(
            f"{series.name}: a window of {length} steps and a step to forecast do not fit into "
            f"its {size:,} steps: give a longer series or a shorter window"
        )
    rows = np.concatenate([series.values, series.known[1:]], axis=1).astype(np.float32)
    first = np.arange(start, stop)[:, None] - length
    return rows[first + np.arange(length)]


def forecasts(series: Series, length: int) -> Dataset:
    """The windows of each split as "x" [n, length, columns], and what follows each as "y" [n].

    Steps that have fewer than `length` before them are left out. Raises UserError as `windows`.
    """
    splits = {}
    for split, (first, stop) in series.bounds.items():
        start = max(first, length)
        x = windows(series, length, start, stop)
        splits[split] = {"x": x, "y": series.values[start:stop, 0].astype(np.float32)}
    return Dataset(series.name, splits)


def bounds_by_day(days: Sequence[date], **first: date) -> dict[str, tuple[int, int]]:
    """Bounds of splits from the first day of each, in order; `end` is the first day of none."""
    starts = {split: bisect_left(days, day) for split, day in first.items()}
    ends = [*list(starts.values())[1:], len(days)]
    return {s: (a, b) for (s, a), b in zip(starts.items(), ends, strict=True) if s != "end"}


def from_table(name: str, table: Table, columns: Sequence[str]) -> Series:
    """The series in some columns of any CSV file; what is forecast comes first.

    The first 80 % of the steps are for training, then 10 % each for validation and test. Nothing is
    known of a step in advance. A column "date" in any case must ascend; where it is of days
    YYYY-MM-DD of which some are missing, a note says so, and the steps are read as they follow.

    Raises:
        UserError: there is no such column, or a cell, named by its line, is no number.
    """
    values = np.stack([table.numbers(column) for column in columns], axis=1)
    dated = [column for column in table.header if column.lower() == "date"]
    names = [f"line {line}" for line in table.lines]
    if dated:
        days = table.days(dated[0])
        names = [str(day) for day in days]
        steps = [(later - day).days for day, later in itertools.pairwise(days)]
        gaps = [n for n, step in enumerate(steps, 1) if step > min(steps)]
        if gaps:
            _log.warning(
                "%s: %d gaps between dates, the first before line %d: read as if there were none",
                *(table.origin, len(gaps), table.lines[gaps[0]]),
            )
    size = len(values)
    first, second = (round(share * size) for share in SHARES)
    bounds = {"train": (0, first), "validation": (first, second), "test": (second, size)}
    return Series(name, tuple(columns), values, np.zeros((size + 1, 0)), bounds, tuple(names))


class Source(NamedTuple):
    """A series that is known by its name: the file that it is read from, and how."""

    name: str
    """Also the folder of `data_dir`, $DLFUN_DATA or the user's cache that the file lies in."""
    file: str
    origin: str
    """The place to download the file from."""
    parse: Callable[[Table], Series]


def load(name: str, source: Source, data_dir: Path | None = None) -> Series:
    """The series of a source by its name, or "csv:PATH:COLUMN[,COLUMN…]" of a file of the user's.

    Raises:
        UserError: the file is absent or malformed, or the name is neither.
    """
    if name == source.name:
        file = csv_table.find(source.name, source.file, source.origin, data_dir)
        return source.parse(csv_table.read(file))
    path, columns = _parts(name, source)
    return from_table(name, csv_table.read(path), columns)


def read_like(name: str, source: Source, file: Path) -> Series:
    """Another file with the columns of the series `name`. Raises UserError as `load` does."""
    table = csv_table.read(file)
    if name == source.name:
        return source.parse(table)
    return from_table(str(file), table, _parts(name, source)[1])


def _parts(name: str, source: Source) -> tuple[Path, list[str]]:
    path, _, columns = name.removeprefix(PREFIX).rpartition(":")
    if not name.startswith(PREFIX) or not path or not columns:
        expected = f"expected {source.name}, or csv:PATH:COLUMN[,COLUMN…]"
        raise UserError(f"unknown series '{name}': {expected}")
    return Path(path).expanduser(), columns.split(",")


def windows_of_files(
    name: str, source: Source, files: Sequence[str], length: int
) -> tuple[list[str], Float[np.ndarray, "n length columns"]]:
    """Every window of CSV files with the columns of the series `name`, and a name for each.

    The last window of a file ends on its last row, so that the step after it can be forecast.
    Raises UserError as `load` does, and where a file has fewer than `length` rows.
    """
    names: list[str] = []
    parts = []
    for file in files:
        series = read_like(name, source, Path(file).expanduser())
        series = series._replace(name=file)
        parts.append(windows(series, length, length, len(series.values) + 1))
        names += [f"{file}, after {step}" for step in series.names[length - 1 :]]
    return names, np.concatenate(parts)
