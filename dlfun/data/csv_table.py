"""Tables of CSV files, whose bad cells are named by their line."""

import csv
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from dlfun.data import text
from dlfun.data.folders import present, roots
from dlfun.errors import UserError, nearest


class Table(NamedTuple):
    """Cells of a CSV file as text.

    Attributes:
        origin: the file, for messages.
        header: names of the columns.
        rows: a list of as many cells for each row.
        lines: the line of the file on which each row ends.
    """

    origin: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]

    def column(self, name: str, parse: Callable[[str], Any] = str, kind: str = "text") -> list[Any]:
        """The cells of a column, each through `parse`.

        Raises:
            UserError: there is no column of that name; a cell, named by its line, is empty or
                `parse` raises ValueError on it.
        """
        if name not in self.header:
            columns = ", ".join(self.header)
            hint = nearest(name, self.header)
            if len(self.header) == 1 and any(mark in columns for mark in ";\t|"):
                hint = " (commas must stand between cells)"
            raise UserError(
                f"{self.origin} has no column '{name}'{hint}: its columns are {columns}"
            )
        if self.header.count(name) > 1:
            raise UserError(f"{self.origin} has two columns '{name}': rename one")
        index, parsed = self.header.index(name), []
        for line, row in zip(self.lines, self.rows, strict=True):
            cell = row[index].strip()
            if not cell:
                raise UserError(f"{self.origin}, line {line}: column '{name}' is empty")
            try:
                parsed.append(parse(cell))
            except ValueError:
                raise UserError(
                    f"{self.origin}, line {line}: column '{name}' must be {kind}, not '{cell}'"
                ) from None
        return parsed

    def numbers(self, name: str) -> Float[np.ndarray, " rows"]:
        """The numbers of a column, finite as float32. Raises UserError as `column` does."""
        return np.array(self.column(name, _finite, "a finite number"), np.float64)

    def days(self, name: str) -> list[date]:
        """The dates of a column, each later than the one before. Raises UserError otherwise."""
        days = self.column(name, date.fromisoformat, "a date YYYY-MM-DD")
        for line, before, day in zip(self.lines[1:], days, days[1:], strict=False):
            if day <= before:
                raise UserError(
                    f"{self.origin}, line {line}: {day} stands after {before}: "
                    "dates must ascend and none may come twice"
                )
        return days


def _finite(cell: str) -> float:
    number = float(cell)
    if not abs(number) < 1e38 or "_" in cell:
        raise ValueError
    return number


def read(path: Path) -> Table:
    """Read a CSV file with a header, as it is or compressed by gzip.

    Raises:
        UserError: the file cannot be read, is no text (as `text.read`), or has no rows; a row,
            named by its line, has more or fewer cells than the header.
    """
    reader = csv.reader(text.read(path).splitlines(), strict=True)
    try:
        numbered = [(reader.line_num, tuple(row)) for row in reader]
    except csv.Error as error:
        raise UserError(f"{path} cannot be read as CSV: {error}") from error
    while numbered and not numbered[-1][1]:
        numbered.pop()  # Empty lines at the end.
    if len(numbered) < 2:
        raise UserError(f"{path} has no rows: expected a line of column names, then a row a line")
    (_, names), *body = numbered
    header = tuple(name.strip() for name in names)
    for line, row in body:
        if len(row) != len(header):
            raise UserError(f"{path}, line {line}: {len(row)} cells, expected {len(header)}")
    lines, rows = zip(*body, strict=True)
    return Table(str(path), header, rows, lines)


def find(folder: str, file: str, origin: str, data_dir: Path | None = None) -> Path:
    """The path of a CSV file, or of its .gz, in a folder of `data_dir`, $DLFUN_DATA or the cache.

    Raises UserError, which says where to get the file, where none of them has it.
    """
    folders = [root / folder for root in roots(data_dir)]
    for directory in folders:
        if path := present(directory, file):
            return path
    raise UserError(f"no {file}: put it into {folders[0]}; it is to be had from {origin}")
