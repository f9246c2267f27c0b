"""Parse a dataclass from the command line; errors of tyro become a one-line UserError."""

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
    complaint = io.StringIO()
    columns = os.environ.get("COLUMNS")
    if not {"-h", "--help"} & set(arguments):
        os.environ["COLUMNS"] = "10000"  # Else tyro would break its message into lines.
    try:
        with contextlib.redirect_stderr(complaint):
            return tyro.cli(kind, args=list(arguments), prog=program, **options)
    except SystemExit as stop:
        if stop.code in (0, None):
            raise
        raise UserError(_one_line(complaint.getvalue())) from None
    finally:
        os.environ.pop("COLUMNS", None)
        if columns is not None:
            os.environ["COLUMNS"] = columns


def _one_line(box: str) -> str:
    """Tyro's error as one line: its first section, and the nearest name of the second."""
    # Title, message and advice, parted by rules; without Unicode the frame is spaces and dashes.
    box = re.sub(r"^╭─ (.*?) ─*╮$", r"\1\n───", box, flags=re.MULTILINE)
    lines = [line.strip("│ ") for line in box.splitlines()]
    parts = re.split(r"\n[-─╰╯]{3,}", "\n".join(lines))
    message = " ".join(parts[1].split()).rstrip(".")
    message = message[:1].lower() + message[1:]
    if choices := re.search(r"invalid choice '(.*?)' .*\((.*)\)", message):
        return message + nearest(choices[1], re.findall(r"'(.*?)'", choices[2]))
    flags = re.findall(r"^--[\w.-]+", "\n".join(parts[2:]), flags=re.MULTILINE)
    wrong = re.search(r"--[\w.-]+", message)
    return message + (nearest(wrong[0], flags) if wrong and wrong[0] not in flags else "")
