"""The points of a search space: all of them, those that a strategy proposes, and their flags.

`parse` reads a space from the command line (see `dlfun.sweep.notation`). A point is a dictionary
path → value; a field whose condition does not hold is absent from it and keeps the base config's
value.
"""

from typing import TYPE_CHECKING, Any

from dlfun.config import replace as apply
from dlfun.errors import UserError
from dlfun.sweep.dimension import LARGEST_GRID, Condition, Dimension, Space
from dlfun.sweep.notation import parse

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
]


def grid(space: Space) -> list[dict[str, Any]]:
    """Every combination, the last dimension changing fastest.

    Raises UserError where a dimension is continuous, or the points are too many to list.
    """
    points: list[dict[str, Any]] = [{}]
    for d in space.dimensions:
        if not d.values:
            ends = f"{d.low:g},{d.high:g}"
            raise UserError(
                f"{d.path}: {d.kind}({ends}) is continuous, a grid is not: give a count, such as "
                f"{d.kind}({ends},5), or choose a strategy such as tpe"
            )
        if len(points) * len(d.values) > LARGEST_GRID:
            raise UserError(
                f"{d.path}: the grid grows past {LARGEST_GRID:,} points: give fewer values or "
                "choose a strategy such as tpe"
            )
        points = [
            extended
            for point in points
            for extended in (
                [point | {d.path: v} for v in d.values] if d.active(point) else [point]
            )
        ]
    return points


def suggest(space: Space, trial: "optuna.Trial") -> dict[str, Any]:
    """The point that an optuna trial proposes."""
    point: dict[str, Any] = {}
    for dimension in space.dimensions:
        if dimension.active(point):
            point[dimension.path] = _suggest(dimension, trial)
    return point


def _suggest(d: Dimension, trial: "optuna.Trial") -> Any:
    if d.kind == "list":
        # By text: optuna's storages keep no tuples.
        named = {repr(value): value for value in d.values}
        return named[trial.suggest_categorical(d.path, list(named))]
    if d.values:
        # By index: whatever the spacing, neighbours stay neighbours.
        return d.values[trial.suggest_int(d.path, 0, len(d.values) - 1)]
    if isinstance(d.low, int):
        return trial.suggest_int(d.path, d.low, int(d.high), log=d.kind == "log")
    return trial.suggest_float(d.path, d.low, d.high, log=d.kind == "log")


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
