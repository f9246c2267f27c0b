"""Parse a dataclass from the command line; errors of tyro become a one-line UserError."""

import contextlib
import io
import os
import re
from collections.abc import Sequence
from typing import TypeVar

import tyro

from dlfun.cli.console import COMMAND
from dlfun.errors import UserError, nearest

T = TypeVar("T")
SHORT = {"lr": "learning-rate", "wd": "weight-decay", "bs": "batch-size", "optim": "optimizer.name"}
"""Abbreviations in common use, and the names of the flags."""


def parse(
    kind: type[T], arguments: Sequence[str], program: str, description: str | None = None
) -> T:
    """The dataclass `kind` from command-line arguments. Raises UserError with tyro's complaint.

    The help begins with the description, of which each `Name: …` at a line's start has its line.
    """
    if description:  # Tyro joins the lines of a paragraph.
        description = re.sub(r"(?<!\n)\n(?=[A-Z][a-z]+: )", "\n\n", description)
        description = description.replace("python launch.py", " ".join(COMMAND))
    complaint = io.StringIO()
    columns = os.environ.get("COLUMNS")
    if not {"-h", "--help"} & set(arguments):
        os.environ["COLUMNS"] = "10000"  # Else tyro would break its message into lines.
    try:
        with contextlib.redirect_stderr(complaint):
            return tyro.cli(kind, args=list(arguments), prog=program, description=description)
    except SystemExit as stop:
        if stop.code in (0, None):
            raise
        flags = _flags(kind, program)
        raise UserError(_one_line(complaint.getvalue(), flags)) from None
    finally:
        os.environ.pop("COLUMNS", None)
        if columns is not None:
            os.environ["COLUMNS"] = columns


def _flags(kind: type, program: str) -> list[str]:
    """The flags of a dataclass, from its help."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        tyro.cli(kind, args=["--help"], prog=program)
    return list(dict.fromkeys(re.findall(r"--[a-z][\w.-]*", text.getvalue())))


def nearest_flag(wrong: str, flags: Sequence[str]) -> str:
    """The flag that was meant, as `nearest` puts it.

    One that ends in the name comes first, `--optimizer.learning-rate` for `--learning-rate` or
    `--lr`; then one that chooses among such things, `--optimizer.name` for `--optimizer`; then one
    that begins with it, `--temperature` for `--temp`.
    """
    name = wrong.lstrip("-").replace("_", "-")
    name = SHORT.get(name, name)
    longer = [flag for flag in flags if flag.startswith(f"--{name}")]
    within = [flag for flag in flags if flag.endswith(f".{name}")]
    for meant in (f"--{name}", *within, f"--{name}.name", *longer):
        if meant in flags:
            return f" (did you mean '{meant}'?)"
    return nearest(wrong, flags)


def _one_line(box: str, flags: Sequence[str]) -> str:
    """Tyro's error as one line: its first section, and the nearest name."""
    # Title, message and advice, parted by rules; without Unicode the frame is spaces and dashes.
    box = re.sub(r"^╭─ (.*?) ─*╮$", r"\1\n───", box, flags=re.MULTILINE)
    lines = [line.strip("│ ") for line in box.splitlines()]
    parts = re.split(r"\n[-─╰╯]{3,}", "\n".join(lines))
    message = " ".join(parts[1].split()).rstrip(".")
    message = message[:1].lower() + message[1:]
    if choices := re.search(r"invalid choice '(.*?)' .*\((.*)\)", message):
        known = sorted(re.findall(r"'(.*?)'", choices[2]))  # Tyro may keep them in a set.
        listed = message.replace(choices[2], ", ".join(map(repr, known)))
        return listed + nearest(choices[1], known)
    wrong = re.search(r"--[\w.-]+", message)
    return message + (nearest_flag(wrong[0], flags) if wrong and wrong[0] not in flags else "")
