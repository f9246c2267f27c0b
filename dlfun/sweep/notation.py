"""Search spaces as they are typed: `PATH=SPEC` or `PATH=SPEC if OTHER=VALUE,…`.

SPEC is one of

- `a,b,c`: a list of numbers, true, false, none, words or tuples such as `(64,),(256,128)`;
- `log(lo,hi)`: anything between, uniform in the logarithm; `log(lo,hi,n)`: n such points;
- `range(lo,hi)`: any real number between; `range(lo,hi,n)`: n evenly spaced points;
- `int(lo,hi)` or `int(lo,hi,step)`: whole numbers, both ends included.

With `if`, the field is swept only where another has one of the values; else it keeps the base
config's: `optimizer.momentum=0.5,0.9 if optimizer.name=momentum,nesterov`. A field may be swept
again where the other has other values.

Fields that belong together are set together:
`optimizer.name,optimizer.learning_rate=(sgd,0.1),(adam,1e-3)`.
"""

import dataclasses
import re
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dlfun import config as configs
from dlfun.errors import UserError, nearest
from dlfun.sweep.dimension import LARGEST_GRID, Condition, Dimension, Space
from dlfun.sweep.literals import convert, kinds, split

FORMS = {"log": "log(lo,hi[,n])", "range": "range(lo,hi[,n])", "int": "int(lo,hi[,step])"}


def parse(texts: Iterable[str], config: Any) -> Space:
    """The search space that the texts write, over the fields of a base config.

    Every value is checked against its field's type and bounds. Raises UserError that names the
    field and says what was expected.
    """
    hints = fields(config)
    # Past the condition's `if`, as (field, values) and, where there is one, (field, values).
    parts = [[_equation(part) for part in re.split(r"\s+if\s+", t, maxsplit=1)] for t in texts]
    paths = [[resolve(name, hints) for name in part[0][0].split(",")] for part in parts]
    swept = {path for together in paths for path in together}
    space = Space(())
    for together, ((_, spec), *conditions) in zip(paths, parts, strict=True):
        earlier = {dimension.path: dimension for dimension in space.fields}
        condition = None
        for other, values in conditions:
            name = resolve(other, hints)
            if name in swept and name not in earlier:
                path = ", ".join(together)
                raise UserError(f"{path} depends on {name}, which must be swept before it")
            condition = _condition(name, values, hints[name], earlier.get(name), config)
        new = _dimensions(together, spec.strip(), hints)
        for dimension in new:
            _check_apart(dimension.path, condition, space)
            ends = (dimension.low, dimension.high)
            for value in dimension.values if dimension.kind == "list" else ends:
                configs.check(configs.replace(config, {dimension.path: value}))
        space = Space((*space.dimensions, *(d._replace(condition=condition) for d in new)))
    return space


def with_absolute_folders(texts: Iterable[str], config: Any) -> tuple[str, ...]:
    """The texts of a search space with datasets by absolute paths, to be found from elsewhere.

    Raises UserError as `parse` does.
    """
    from dlfun.data import folders

    texts = tuple(texts)
    dimensions = parse(texts, config).dimensions
    listed = [d.values for d in dimensions if d.kind == "list"]
    listed += [d.condition.values for d in dimensions if d.condition]
    for value in dict.fromkeys(value for values in listed for value in values):
        if isinstance(value, str) and (path := folders.absolute(value)) != value:
            quote = '"' if "'" in path else "'"
            typed = rf"""(['"]?){re.escape(value)}\1(?=\s*[,)]|\s+if\s|\s*$)"""
            new = f"{quote}{path}{quote}".replace("\\", r"\\")
            texts = tuple(re.sub(typed, new, text) for text in texts)
    return texts


def _check_apart(path: str, condition: Condition | None, space: Space) -> None:
    """Raise UserError where the field is swept already under a condition that may hold too."""
    for before in space.dimensions:
        if before.path != path:
            continue
        old = before.condition
        if old is None or condition is None:
            raise UserError(f"{path} is swept twice: give all its values at once")
        if old.path != condition.path or set(old.values) & set(condition.values):
            raise UserError(f"{path} is swept twice where {condition.path} has the same value")


def _dimensions(paths: Sequence[str], spec: str, hints: Mapping[str, Any]) -> list[Dimension]:
    """The dimension of a field, or those of fields that are set together."""
    try:
        if len(paths) == 1:
            return [_dimension(paths[0], spec, hints[paths[0]])]
        rows = [_row(text, paths, hints) for text in split(spec)]
    except ValueError as error:
        raise UserError(f"{','.join(paths)}: {error}") from None
    if len(set(paths)) < len(paths):
        raise UserError(f"{','.join(paths)}: a field is named twice")
    columns = {path: tuple(dict.fromkeys(row[path] for row in rows)) for path in paths}
    first, *others = [Dimension(path, "list", values) for path, values in columns.items()]
    unique = {repr(row): row for row in rows}
    return [
        first._replace(rows=tuple(unique.values())),
        *(dimension._replace(follows=True) for dimension in others),
    ]


def _row(text: str, paths: Sequence[str], hints: Mapping[str, Any]) -> dict[str, Any]:
    inner = re.fullmatch(r"\((.*)\)", text)
    parts = split(inner[1]) if inner else []
    if len(parts) != len(paths):
        raise ValueError(f"'{text}' is not ({','.join(paths)}), a value for each field")
    return {path: convert(part, hints[path]) for path, part in zip(paths, parts, strict=True)}


def fields(config: Any, prefix: str = "") -> dict[str, Any]:
    """The type of each field by its path, nested dataclasses opened, bounds included."""
    types: dict[str, Any] = {}
    for name, hint in typing.get_type_hints(type(config), include_extras=True).items():
        value = getattr(config, name)
        inner = dataclasses.is_dataclass(value)
        types |= fields(value, f"{prefix}{name}.") if inner else {prefix + name: hint}
    return types


def resolve(name: str, hints: Mapping[str, Any]) -> str:
    """The path that a typed name means: dashes count as underscores. Raises UserError."""
    path = name.strip().removeprefix("--").replace("-", "_")
    if path == "seed":
        raise UserError("seeds are averaged over, never searched: use --seeds")
    if path in hints:
        return path
    if inner := [p.removeprefix(f"{path}.") for p in hints if p.startswith(f"{path}.")]:
        raise UserError(f"'{path}' is a group of fields: sweep {path}.X, X of {', '.join(inner)}")
    # A name without its group is the commonest slip, so the last part counts as the whole.
    ends = [field for field in hints if field.rpartition(".")[2] == path]
    raise UserError(f"no field '{path}'{nearest(ends[0] if ends else path, hints)}")


def _equation(text: str) -> tuple[str, str]:
    name, equals, values = text.partition("=")
    if not equals or not name.strip():
        raise UserError(f"'{text}' is not PATH=VALUES, such as batch_size=32,64")
    return name, values


def _condition(path: str, text: str, hint: Any, swept: Dimension | None, config: Any) -> Condition:
    try:
        values = tuple(convert(part, hint) for part in split(text.strip()))
    except ValueError as error:
        raise UserError(f"condition on {path}: {error}") from None
    for value in values:
        configs.check(configs.replace(config, {path: value}))
    if swept and not any(value in swept.values for value in values):
        raise UserError(
            f"condition on {path}: this sweep tries no value of it that is {text.strip()}"
        )
    default = config
    for name in path.split("."):
        default = getattr(default, name)
    return Condition(path, values, default)


def _dimension(path: str, spec: str, hint: Any) -> Dimension:
    """The dimension that `spec` describes. Raises ValueError naming the expected form."""
    call = re.fullmatch(r"(log|range|int)\s*\((.*)\)", spec)
    if not call:
        values = [convert(part, hint) for part in split(spec)]
        return Dimension(path, "list", tuple(dict.fromkeys(values)))
    kind, arguments = call[1], split(call[2])
    whole = float not in kinds(hint)
    if whole and int not in kinds(hint):
        raise ValueError(f"{spec} makes numbers, which this field does not take: give a list")
    if kind == "range" and whole:
        raise ValueError(f"{spec} makes real numbers, the field takes whole ones: use int(lo,hi)")
    if kind == "int" and int not in kinds(hint):
        raise ValueError(f"{spec} makes whole numbers, the field takes real ones: use range or log")
    if len(arguments) not in (2, 3):
        raise ValueError(f"'{spec}' has {len(arguments)} arguments, expected {FORMS[kind]}")
    number = int if whole or kind == "int" else float
    low, high = (convert(end, number) for end in arguments[:2])
    third = convert(arguments[2], int) if len(arguments) == 3 else None
    if low > high or (low == high and kind != "int"):
        raise ValueError(f"{spec} is empty: {low:g} is not below {high:g}")
    if kind == "log" and low <= 0:
        raise ValueError(f"{spec} takes the logarithm of {low:g}: both ends must be above 0")
    if kind == "int":
        if third is not None and third < 1:
            raise ValueError(f"{spec} has a step of {third}, expected 1 or more")
        return Dimension(path, "int", range(low, high + 1, third or 1), low, high)
    if third is not None and third < 2:
        raise ValueError(f"{spec} has {third} points, expected 2 or more")
    if third is not None and third > LARGEST_GRID:
        raise ValueError(f"{spec} has {third:,} points, expected at most {LARGEST_GRID:,}")
    points = _points(low, high, third or 0, kind == "log", number)
    return Dimension(path, typing.cast(Any, kind), points, low, high)


def _points(low: float, high: float, count: int, log: bool, number: type) -> Sequence[Any]:
    def at(share: float) -> Any:
        exact = low * (high / low) ** share if log else low + (high - low) * share
        # Twelve digits hide what binary fractions do to 0.3, and keep all that anyone typed.
        return round(exact) if number is int else float(f"{exact:.12g}")

    inner = [at(i / (count - 1)) for i in range(1, count - 1)]
    return tuple(dict.fromkeys([low, *inner, high])) if count else ()
