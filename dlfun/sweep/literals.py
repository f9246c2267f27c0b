"""Values as they are typed on the command line, read as a field's type says."""

import math
import re
import types
import typing
from collections.abc import Callable, Iterator
from typing import Any

from dlfun.errors import nearest

READ: dict[Any, tuple[str, Callable[[str], Any]]] = {
    int: ("a whole number", int),
    float: ("a finite number", float),
    bool: ("true or false", {"true": True, "false": False}.__getitem__),
    type(None): ("none", {"none": None}.__getitem__),
}
"""The words for the values of a type, and the function that reads one from lower case."""


def split(text: str) -> list[str]:
    """The parts of `a,b,c`, where a comma inside brackets or quotes parts nothing.

    Raises ValueError on brackets or quotes without their partner, and on empty parts.
    """
    parts, depth, quote = [""], 0, ""
    for letter in text:
        if quote or letter in "'\"":
            quote = "" if letter == quote else quote or letter
        depth += 0 if quote else (letter in "([") - (letter in ")]")
        if letter == "," and depth == 0 and not quote:
            parts.append("")
        else:
            parts[-1] += letter
        if depth < 0:
            break
    if depth or quote:
        raise ValueError(f"'{text}' has a bracket or quote without its partner")
    parts = [part.strip() for part in parts]
    if not all(parts):
        raise ValueError(f"'{text}' has an empty value" if text.strip() else "has no values")
    return parts


def kinds(hint: Any) -> Iterator[Any]:
    """The types that a field's type is made of, None first: of a union, its members."""
    if typing.get_origin(hint) is typing.Annotated:
        yield from kinds(hint.__origin__)
    elif typing.get_origin(hint) in (typing.Union, types.UnionType):
        members = [kind for member in typing.get_args(hint) for kind in kinds(member)]
        yield from sorted(members, key=lambda kind: kind is not type(None))
    else:
        yield hint


def convert(text: str, hint: Any) -> Any:
    """The value of type `hint` that `text` writes. Raises ValueError that says what was expected.

    Numbers as in Python; true, false and none in any case; text with or without quotes; tuples in
    brackets.
    """
    reasons = []
    for kind in kinds(hint):
        try:
            return _convert(text, kind)
        except ValueError as reason:
            reasons.append(str(reason))
    # The last member's reason is the plainest: None, which comes first, is seldom what was meant.
    raise ValueError(reasons[-1])


def _convert(text: str, kind: Any) -> Any:
    if typing.get_origin(kind) is typing.Literal:
        choices = {str(choice): choice for choice in typing.get_args(kind)}
        if (name := _unquoted(text)) in choices:
            return choices[name]
        raise ValueError(f"'{name}' is none of {', '.join(choices)}{nearest(name, choices)}")
    if typing.get_origin(kind) is tuple:
        return _convert_tuple(text, typing.get_args(kind))
    if kind is str:
        return _unquoted(text)
    if kind not in READ:
        raise ValueError(f"a field of type {kind} cannot be swept")
    words, read = READ[kind]
    try:
        value = read(text.lower())
    except (ValueError, KeyError):
        raise ValueError(f"'{text}' is not {words}") from None
    if kind is float and not math.isfinite(value):
        raise ValueError(f"'{text}' is not {words}")
    return value


def _convert_tuple(text: str, items: tuple[Any, ...]) -> tuple[Any, ...]:
    inner = re.fullmatch(r"[(\[](.*?),?\s*[)\]]", text)
    if not inner or (text.startswith("(") and "," not in text and inner[1].strip()):
        # Python reads (64) as 64, and so do we, lest a habit of one break in the other.
        raise ValueError(f"'{text}' is not a tuple; write ({text.strip('()')},) for one item")
    parts = split(inner[1]) if inner[1].strip() else []
    if len(items) == 2 and items[1] is Ellipsis:
        items = (items[0],) * len(parts)
    if len(parts) != len(items):
        raise ValueError(f"'{text}' has {len(parts)} items, not {len(items)}")
    return tuple(convert(part, item) for part, item in zip(parts, items, strict=True))


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text
