"""tyro with our manners: documented dataclasses in, one clear line out where the input is bad."""

import contextlib
import io
import os
import re
from collections.abc import Sequence
from typing import Any, TypeVar

import tyro

from dlfun.errors import UserError, nearest

T = TypeVar("T")


def parse(kind: type[T], arguments: Sequence[str], program: str, **options: Any) -> T:
    """The dataclass `kind` from command-line arguments. Raises UserError with tyro's complaint."""
    said = io.StringIO()
    columns = os.environ.get("COLUMNS")
    if not {"-h", "--help"} & set(arguments):
        os.environ["COLUMNS"] = "10000"  # Else tyro would break its message into lines.
    try:
        with contextlib.redirect_stderr(said):
            return tyro.cli(kind, args=list(arguments), prog=program, **options)
    except SystemExit as stop:
        if stop.code in (0, None):
            raise
        raise UserError(_one_line(said.getvalue())) from None
    finally:
        os.environ.pop("COLUMNS", None)
        if columns is not None:
            os.environ["COLUMNS"] = columns


def _one_line(box: str) -> str:
    """tyro's boxed error as one line: its first section, and the nearest name of its second."""
    lines = [line.strip("│ ") for line in box.splitlines() if line.startswith("│")]
    rules = [i for i, line in enumerate(lines) if line.startswith("─")] or [len(lines)]
    message = re.sub(r"^(.)", lambda m: m[1].lower(), " ".join(lines[: rules[0]]))
    if choices := re.search(r"invalid choice '(.*?)' .*\((.*)\)", message):
        return message.rstrip(".") + nearest(choices[1], re.findall(r"'(.*?)'", choices[2]))
    flags = [m[0] for line in lines[rules[0] :] if (m := re.match(r"--[\w.-]+", line))]
    wrong = re.search(r"(--[\w.-]+)", message)
    guess = nearest(wrong[1], flags) if wrong and wrong[1] not in flags else ""
    return message.rstrip(".") + guess
