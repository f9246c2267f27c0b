"""The points of a search space: all of them, those that a strategy proposes, and their flags.

`parse` reads a space from the command line (see `dlfun.sweep.notation`). A point is a dictionary
path → value; a field whose condition does not hold is absent from it and keeps the base config's
value.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dlfun.config import replace as apply
from dlfun.errors import UserError
from dlfun.sweep.dimension import LARGEST_GRID, Condition, Dimension, Space
from dlfun.sweep.notation import parse, with_absolute_folders

if TYPE_CHECKING:
    import optuna

__all__ = [
    "Condition",
    "Dimension",
    "Space",
    "apply",
    "flags",
    "grid",
    "numeric",
    "parse",
    "suggest",
    "with_absolute_folders",
]


def grid(space: Space) -> list[dict[str, Any]]:
    """Every combination, the last dimension changing fastest.

    Raises UserError where a dimension is continuous, or the points are too many to list.
    """
    points: list[dict[str, Any]] = [{}]
    for d in space.dimensions:
        if d.follows:
            continue
        if not d.values:
            ends = f"{d.low:g},{d.high:g}"
            raise UserError(
                f"{d.path}: {d.kind}({ends}) is continuous, a grid is not: give a count, such as "
                f"{d.kind}({ends},5), or choose a strategy such as tpe"
            )
        if len(points) * len(d.rows or d.values) > LARGEST_GRID:
            raise UserError(
                f"{d.path}: the grid grows past {LARGEST_GRID:,} points: give fewer values or "
                "choose a strategy such as tpe"
            )
        rows = [dict(row) for row in d.rows] or [{d.path: value} for value in d.values]
        points = [
            extended
            for point in points
            for extended in ([point | row for row in rows] if d.active(point) else [point])
        ]
    return points


def suggest(space: Space, trial: "optuna.Trial") -> dict[str, Any]:
    """The point that an optuna trial proposes."""
    point: dict[str, Any] = {}
    for dimension in space.dimensions:
        if dimension.active(point):
            point |= _suggest(dimension, trial)
    return point


def _suggest(d: Dimension, trial: "optuna.Trial") -> Mapping[str, Any]:
    if d.kind == "list":
        # By text: optuna's storages keep no tuples.
        rows = {repr(tuple(row.values())): row for row in d.rows}
        rows = rows or {repr(value): {d.path: value} for value in d.values}
        return rows[trial.suggest_categorical(d.name, list(rows))]
    if d.values:
        # By index: whatever the spacing, neighbours stay neighbours.
        return {d.path: d.values[trial.suggest_int(d.name, 0, len(d.values) - 1)]}
    if isinstance(d.low, int):
        return {d.path: trial.suggest_int(d.name, d.low, int(d.high), log=d.kind == "log")}
    return {d.path: trial.suggest_float(d.name, d.low, d.high, log=d.kind == "log")}


def numeric(space: Space) -> bool:
    """True if each dimension is a range of numbers and always swept, as quasi-random needs."""
    return all(d.kind != "list" and d.condition is None for d in space.dimensions)


def flags(point: dict[str, Any]) -> list[str]:
    """The flags of `launch.py train` that set a point: `--hidden 256 128`."""
    return [word for path, value in point.items() for word in _flag(path, value)]


def _flag(path: str, value: Any) -> list[str]:
    name = path.replace("_", "-")
    if isinstance(value, bool):
        group, dot, last = name.rpartition(".")
        return [f"--{name}" if value else f"--{group}{dot}no-{last}"]
    if isinstance(value, tuple):
        return [f"--{name}", *map(str, value)]
    if isinstance(value, str) and value.startswith("-"):
        return [f"--{name}={value}"]
    return [f"--{name}", str(value)]
