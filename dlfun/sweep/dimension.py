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
    """In order; empty where continuous."""
    low: float = float("nan")
    """Both ends are included; whole numbers where the field is whole; nan of a list."""
    high: float = float("nan")
    condition: Condition | None = None

    def active(self, values: Mapping[str, Any]) -> bool:
        """True if the field is swept, given the values of the dimensions before it."""
        if self.condition is None:
            return True
        path, wanted, default = self.condition
        return values.get(path, default) in wanted


class Space(NamedTuple):
    """A search space; a condition reads only dimensions before its own."""

    dimensions: tuple[Dimension, ...]
