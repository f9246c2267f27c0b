"""Command line of a comparison with PyTorch, from arguments to tables."""

import functools
import importlib.metadata
import json
import os
import platform
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import dlfun
from benchmarks import tables
from benchmarks.tables import Rows
from dlfun import config as configs
from dlfun.cli import parse as cli
from dlfun.errors import UserError
from dlfun.train import run_directory as runs

T = TypeVar("T")
PACKAGES = ("jax", "jaxlib", "torch", "keras", "numpy")


def parse(kind: type[T], arguments: Sequence[str], program: str) -> T:
    """The flags of a benchmark. Raises UserError where one is wrong, before anything is measured.

    Values are within their bounds, and a file can be written where one is asked for.
    """
    benchmark = cli.parse(kind, arguments, program)
    configs.check(benchmark)
    for name, value in vars(benchmark).items():
        if isinstance(value, Path) and (value.is_dir() or not value.absolute().parent.is_dir()):
            raise UserError(f"--{name} {value}: expected a file in a folder that is there")
    return benchmark


def one_line_errors(main: Callable[..., int]) -> Callable[..., int]:
    """A function that returns an exit status, 2 where it raises UserError, which is printed."""

    @functools.wraps(main)
    def status(*arguments: Any) -> int:
        try:
            return main(*arguments)
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2

    return status


@one_line_errors
def compare(
    kind: type[Any],
    arguments: Sequence[str],
    program: str,
    measure: Callable[[Any], dict[str, Any]],
    shown: Callable[[Any, dict[str, Any]], Iterable[Rows]],
    remark: Callable[[dict[str, Any]], str],
) -> int:
    """Measure, print the tables, and return the exit status.

    `kind` is the dataclass of flags, including "json" and "markdown". `measure` makes a report from
    them, with "date", "device", "versions" and "load_before"; `shown` makes its tables, and
    `remark` is printed below them. `--json` keeps the report, its tables and `program`, its
    "command", for `launch.py book`.
    """
    benchmark = parse(kind, arguments, program)
    if not find_spec("torch"):
        raise UserError(
            "PyTorch, to compare with, is not installed: pip install 'dlfun[benchmarks]'"
        )
    report = measure(benchmark)
    made = list(shown(benchmark, report))
    if benchmark.json:
        kept = {"command": program, **report, "tables": [table._asdict() for table in made]}
        benchmark.json.write_text(json.dumps(kept, indent=2) + "\n")
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    print(f"{report['date']}, {report['device']}; {versions}\n")
    for table in made:
        if benchmark.markdown:
            print(tables.markdown(table))
        else:
            tables.show(table)
    print(
        f"{remark(report)} Load average of the machine before: {report['load_before']:.1f}"
        " (above 0.5, something else was running: measure again)."
    )
    return 0


def about() -> dict[str, Any]:
    """Date, device and versions of a report."""
    return {
        "date": date.today().isoformat(),
        "device": f"{runs.environment()['device']['processor']}, {os.cpu_count()} cores",
        "versions": {"python": platform.python_version()}
        | {"dlfun": dlfun.__version__}
        | {name: importlib.metadata.version(name) for name in PACKAGES if find_spec(name)},
    }
