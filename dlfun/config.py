"""Configurations: frozen dataclasses to and from JSON, their bounds, and types of common fields.

A float field is a value: it may be a tracer in an experiment's `learner`, so that one compiled
program serves all its values. `Static` marks a float that is structure, because `data` reads it:
`noise: Annotated[float, Ge(0), Static]`.
"""

import dataclasses
import functools
import math
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import annotated_types
import tyro
from annotated_types import Ge, Le, Lt, MinLen

from dlfun.errors import UserError, nearest

Static = "static"
"""Annotates a float field that is structure and not a value."""

Epochs = Annotated[int, Ge(1), tyro.conf.arg(help="Passes over the training set.")]
BatchSize = Annotated[int, Ge(1), tyro.conf.arg(help="Examples per update.")]
Examples = Annotated[int, Ge(1), tyro.conf.arg(help="Training examples, drawn at random.")]
Widths = tuple[Annotated[int, Ge(1)], ...]
SomeWidths = Annotated[Widths, MinLen(1)]
"""Not the empty tuple."""
Dropout = Annotated[float, Ge(0), Lt(1)]
Shift = Annotated[
    int,
    Ge(0),
    tyro.conf.arg(help="Pixels by which a training image is moved at most, in each direction."),
]
Flip = Annotated[
    float, Ge(0), Le(1), tyro.conf.arg(help="Probability that a training image is mirrored.")
]
DatasetName = Annotated[
    str,
    tyro.conf.arg(
        help="mnist; fashion_mnist; tfds:NAME, any image classification set of TFDS; folder:PATH, "
        "images as PATH/train/CLASS/*.jpg and PATH/test likewise; or arrays:FILE.npz with "
        "train_image, uint8 [n, height, width] or [n, height, width, channels], train_label, whole "
        "numbers from 0, test_image, test_label and, if any, validation_… and classes (names)."
    ),
]
Validation = Annotated[
    float,
    Ge(0),
    Lt(1),
    Static,
    tyro.conf.arg(help="Share of the training set held out for validation."),
]
Seed = Annotated[
    int,
    Ge(0),
    Lt(2**32),  # JAX makes a key of 32 bits.
    tyro.conf.arg(help="Random seed of the data, the parameters, the order and all noise."),
]

BOUNDS = {
    annotated_types.Gt: ("gt", "greater than", lambda value, bound: value > bound),
    annotated_types.Ge: ("ge", "at least", lambda value, bound: value >= bound),
    annotated_types.Lt: ("lt", "less than", lambda value, bound: value < bound),
    annotated_types.Le: ("le", "at most", lambda value, bound: value <= bound),
}


def to_dict(config: Any) -> dict[str, Any]:
    """A dataclass as plain JSON values; tuples become lists."""

    def plain(value: Any) -> Any:
        if dataclasses.is_dataclass(value):
            return {
                field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)
            }
        if isinstance(value, Mapping):
            return {key: plain(item) for key, item in value.items()}
        return [plain(item) for item in value] if isinstance(value, tuple | list) else value

    return plain(config)


def from_dict(kind: type, values: Mapping[str, Any]) -> Any:
    """The dataclass `kind` from `to_dict`'s values.

    Raises UserError on a field that it does not have and on a value of another type.
    """
    hints = typing.get_type_hints(kind)
    for name in values:
        if name not in hints:
            raise UserError(f"{kind.__name__} has no field '{name}'{nearest(name, hints)}")

    def typed(name: str, value: Any) -> Any:
        if dataclasses.is_dataclass(hint := hints[name]):
            if not isinstance(value, Mapping):
                raise UserError(f"{kind.__name__}.{name} must be an object, got {value!r}")
            return from_dict(typing.cast(type, hint), value)
        value = tuple(value) if isinstance(value, list) else value
        try:
            check_type(value, hint)
            kinds = set(_types(hint))
            whole = type(value) is int and float in kinds and int not in kinds
            return float(value) if whole else value
        except (ValueError, OverflowError) as error:
            raise UserError(f"{kind.__name__}.{name}: {error}") from None

    return kind(**{name: typed(name, value) for name, value in values.items()})


def _types(hint: Any) -> Iterator[Any]:
    """The types that a value may be of: the members of a union, without annotations."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        for member in typing.get_args(hint):
            yield from _types(member)
    else:
        yield hint.__origin__ if typing.get_origin(hint) is Annotated else hint


def check_type(value: Any, hint: Any) -> None:
    """Raise ValueError where a value is not of a type, or an item of it is not of the item's.

    An int is a float, but a bool is no number.
    """
    import typeguard  # Only here: it takes a tenth of a second, and `--help` does without.

    if isinstance(value, bool) and not {bool, Any} & set(_types(hint)):
        raise ValueError(f"{value} is a truth value, expected {hint}")
    try:
        all_items = typeguard.CollectionCheckStrategy.ALL_ITEMS
        typeguard.check_type(value, hint, collection_check_strategy=all_items)
    except typeguard.TypeCheckError as error:
        raise ValueError(" ".join(str(error).split())) from None


def check(config: Any, prefix: str = "--") -> None:
    """Raise UserError where a field is outside the bounds that its type is annotated with."""
    hints = typing.get_type_hints(type(config), include_extras=True)
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        flag = prefix + field.name.replace("_", "-")
        if dataclasses.is_dataclass(value):
            check(value, flag + ".")
            continue
        if value == () and any(isinstance(item, MinLen) for item in _metadata(hints[field.name])):
            raise UserError(f"{flag} must have at least one value, got none")
        for item in value if isinstance(value, tuple) else (value,):
            for bound in _bounds(hints[field.name]):
                attribute, words, holds = BOUNDS[type(bound)]
                limit = getattr(bound, attribute)
                if item is not None and not holds(item, limit):
                    raise UserError(f"{flag} must be {words} {limit}, got {item}")
            if isinstance(item, float) and not math.isfinite(item):
                raise UserError(f"{flag} must be finite, got {item}")


def _bounds(hint: Any) -> Iterator[Any]:
    """Bounds annotated anywhere in a type: in a union's members, in a tuple's items."""
    if typing.get_origin(hint) is typing.Annotated:
        yield from (bound for bound in hint.__metadata__ if type(bound) in BOUNDS)
        hint = hint.__origin__
    if typing.get_origin(hint) in (typing.Union, types.UnionType, tuple):
        for argument in typing.get_args(hint):
            yield from _bounds(argument)


def values(config: Any, prefix: str = "") -> dict[str, float]:
    """The fields that are values, by path: the floats of a config that are not `Static`."""
    static = _static(config.__class__)
    chosen: dict[str, float] = {}
    for field in dataclasses.fields(config):
        value, path = getattr(config, field.name), prefix + field.name
        if dataclasses.is_dataclass(value):
            chosen |= values(value, path + ".")
        elif isinstance(value, float) and field.name not in static:
            chosen[path] = value
    return chosen


@functools.cache
def _static(kind: type) -> frozenset[str]:
    """The names of the fields of a dataclass that are marked `Static`."""
    hints = typing.get_type_hints(kind, include_extras=True)
    return frozenset(name for name, hint in hints.items() if Static in _metadata(hint))


def _metadata(hint: Any) -> tuple[Any, ...]:
    """The annotations of a type, those of the members of a union included."""
    metadata = hint.__metadata__ if typing.get_origin(hint) is Annotated else ()
    inner = typing.get_args(hint.__origin__ if metadata else hint)
    return metadata + tuple(item for member in inner for item in _metadata(member))


def difference(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """The differences of two nested mappings, as `name: old → new`."""
    changes = []
    for name in [*old, *(name for name in new if name not in old)]:
        a, b = old.get(name), new.get(name)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            changes += difference(a, b, f"{prefix}{name}.")
        elif a != b:
            changes.append(f"{prefix}{name}: {a} → {b}")
    return changes


def flatten(config: Any, prefix: str = "") -> dict[str, Any]:
    """The fields of a dataclass and of those within it, by path: `optimizer.learning_rate`."""
    fields: dict[str, Any] = {}
    for field in dataclasses.fields(config):
        value, path = getattr(config, field.name), prefix + field.name
        fields |= flatten(value, path + ".") if dataclasses.is_dataclass(value) else {path: value}
    return fields


def flatten_json(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The fields of `to_dict`'s values, by path as `flatten` gives them."""
    fields: dict[str, Any] = {}
    for name, value in values.items():
        path = prefix + name
        fields |= flatten_json(value, path + ".") if isinstance(value, Mapping) else {path: value}
    return fields


def replace(config: Any, values: Mapping[str, Any]) -> Any:
    """The dataclass with the fields at some paths replaced."""
    for path, value in values.items():
        name, _, rest = path.partition(".")
        changed = replace(getattr(config, name), {rest: value}) if rest else value
        config = dataclasses.replace(config, **{name: changed})
    return config


def is_zero(value: Any) -> bool:
    """True if a value, such as a rate of dropout, is the number 0 and no array to be traced."""
    return isinstance(value, float | int) and value == 0
