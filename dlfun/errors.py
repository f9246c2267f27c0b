"""Errors caused by bad input, printed as one line."""

import difflib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any


class UserError(Exception):
    """Bad input: the command line prints the message as one line and exits with status 2."""


class LayerError(ValueError):
    """Bad input of a layer, such as an image too small for it; the message has the layer's path."""


def nearest(name: str, names: Iterable[str]) -> str:
    """The valid name closest to `name` as `" (did you mean 'x'?)"`, or `""` when none is close."""
    close = difflib.get_close_matches(name, list(names), n=1, cutoff=0.6)
    return f" (did you mean '{close[0]}'?)" if close else ""


def unknown(
    kind: str, name: str, known: Sequence[str], *forms: str, meant: str | None = None
) -> UserError:
    """The error of a name that is neither a known one nor of a form, such as text:PATH.

    It suggests what was `meant`, by default the nearest known name.
    """
    *others, last = *known, *forms
    expected = f"expected {', '.join(others)} or {last}"
    guess = f" (did you mean '{meant}'?)" if meant else nearest(name, known)
    return UserError(f"unknown {kind} '{name}'{guess}: {expected}")


def check_multiple(name: str, value: int, of: str, divisor: int) -> None:
    """Raise a `UserError` unless option `name` is a multiple of the option `of`."""
    if value % divisor:
        raise UserError(f"--{name} {value} must be a multiple of --{of} {divisor}")


def is_out_of_memory(error: BaseException) -> bool:
    """True if one of JAX's devices has run out of memory."""
    return "RESOURCE_EXHAUSTED" in str(error) or "out of memory" in str(error).lower()


@contextmanager
def with_layer_path(layer: Any) -> Iterator[None]:
    """Turn a ValueError into a `LayerError` that names the Flax module by its path."""
    try:
        yield
    except ValueError as error:
        raise LayerError(f"{'/'.join(layer.path) or type(layer).__name__}: {error}") from None
