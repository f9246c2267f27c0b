"""Dimensions of a search space, and conditions on them."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

LARGEST_GRID = 100_000
"""Points of a grid, and of one of its ranges, at most."""


class Condition(NamedTuple):
    """A condition that another field has one of some values."""

    path: str
    values: tuple[Any, ...]
    default: Any
    """The other field's value in the base config, which it has where it is not swept."""


class Dimension(NamedTuple):
    """A field and the values it may take: some, or all between two ends."""

    path: str
    """The field, nested ones by dots: `optimizer.learning_rate`."""
    kind: Literal["list", "log", "range", "int"]
    values: Sequence[Any] = ()
    """The values in order; empty where continuous."""
    low: float = float("nan")
    """Both ends are included; whole numbers where the field is whole; nan of a list."""
    high: float = float("nan")
    condition: Condition | None = None

    rows: tuple[Mapping[str, Any], ...] = ()
    """The points of fields that are swept together, path → value each. The first field's dimension
    holds them; the dimensions of the other fields are never active."""
    follows: bool = False
    """True if an earlier dimension sets this field too."""

    @property
    def name(self) -> str:
        """The field, and the fields that are set with it; unlike that of any other dimension."""
        names = ",".join(self.rows[0]) if self.rows else self.path
        return (
            f"{names} if {self.condition.path}={self.condition.values}" if self.condition else names
        )

    def active(self, values: Mapping[str, Any]) -> bool:
        """True if the field is swept, given the values of the dimensions before it."""
        if self.follows:
            return False
        if self.condition is None:
            return True
        path, wanted, default = self.condition
        return values.get(path, default) in wanted


class Space(NamedTuple):
    """A search space; a condition reads only dimensions before its own."""

    dimensions: tuple[Dimension, ...]

    @property
    def fields(self) -> tuple[Dimension, ...]:
        """A dimension for each field: all the values that it may take, under any condition."""
        by_path: dict[str, list[Dimension]] = {}
        for dimension in self.dimensions:
            by_path.setdefault(dimension.path, []).append(dimension)
        return tuple(_union(same) for same in by_path.values())


def _union(dimensions: list[Dimension]) -> Dimension:
    first, *others = dimensions
    if not others:
        return first
    kinds = {d.kind for d in dimensions}
    values = dict.fromkeys(value for d in dimensions for value in d.values)
    ends = [end for d in dimensions for end in (d.low, d.high)]
    if "list" in kinds:
        return Dimension(first.path, "list", tuple(values), condition=first.condition)
    continuous = not all(d.values for d in dimensions)
    points = () if continuous else tuple(sorted(values))
    kind = first.kind if len(kinds) == 1 else "range"
    return Dimension(first.path, kind, points, min(ends), max(ends), first.condition)
