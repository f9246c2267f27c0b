"""Lines and tables for the user, and flags that several commands have."""

import sys
from collections.abc import Collection, Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import tyro
from rich.console import Console
from rich.table import Table

T = TypeVar("T")

COMMAND = ("dlfun",) if Path(sys.argv[0]).stem == "dlfun" else ("python", "launch.py")
"""The words that a command line begins with, as the installed program or from a checkout."""
PROGRAM = COMMAND[-1]
Run = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN_DIR")]


def several(metavar: str) -> Any:
    """Setting of an argument that takes any number of values: the help shows no empty default."""
    return tyro.conf.arg(metavar=metavar, help_behavior_hint="")


def now() -> str:
    """The time for a directory's name, to the microsecond: several may start in one second."""
    return datetime.now().strftime("%Y%m%d-%H%M%S-%f")


def note(text: str) -> None:
    """Print a line for the user beside the output proper."""
    print(text, file=sys.stderr)


def warn(text: str) -> None:
    """Print a line about something that went wrong but does not stop the command."""
    note(f"warning: {text}")


def progress(items: Collection[T], title: str) -> Iterable[T]:
    """The items, with a bar beside the output proper that shows how many are done."""
    from rich.progress import track

    console = Console(stderr=True)
    silent = not sys.stderr.isatty()
    return track(items, title, console=console, transient=True, disable=silent)


def show(table: Table) -> None:
    """Print a table; each row on one line, however long, where the output is no terminal."""
    # Rich would take a file for a terminal where FORCE_COLOR is set.
    on_terminal = sys.stdout.isatty()
    width = None if on_terminal else 1000
    console = Console(highlight=False, force_terminal=on_terminal, width=width)
    # Rich would exit with status 1.
    console.on_broken_pipe = _raise_closed  # type: ignore[method-assign]
    console.print(table)


def _raise_closed() -> None:
    raise BrokenPipeError


def show_metrics(splits: dict[str, dict[str, Any]]) -> None:
    """Print the scalar metrics of each split, a line a split."""
    for split, metrics in splits.items():
        scalars = {name: value for name, value in metrics.items() if isinstance(value, float)}
        print(split, *(f"{name} {value:.6g}" for name, value in scalars.items()))


def unprefixed(kind: type) -> Any:
    """A dataclass whose flags carry no prefix."""
    return Annotated[kind, tyro.conf.arg(name="")]
