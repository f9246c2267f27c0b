"""The command line of `launch.py`: each command is a documented dataclass whose call does the work.

Heavy libraries are imported where they are used, so that help and lists answer at once.
"""

import errno
import os
import platform
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dlfun import __version__
from dlfun import experiment as experiments
from dlfun.cli.compare import Compare
from dlfun.cli.console import PROGRAM, note
from dlfun.cli.data import Data
from dlfun.cli.evaluate import Evaluate
from dlfun.cli.export import Export
from dlfun.cli.huge_pages import in_huge_pages
from dlfun.cli.list import List
from dlfun.cli.parse import parse
from dlfun.cli.plot import Plot
from dlfun.cli.predict import Predict
from dlfun.cli.reproduce import Reproduce
from dlfun.cli.runs import Runs
from dlfun.cli.sample import Sample
from dlfun.cli.summary import Summary, summary
from dlfun.cli.sweep import Sweep, SweepReport, sweep
from dlfun.cli.train import Train, train
from dlfun.errors import LayerError, UserError, nearest

COMMANDS: dict[str, Any] = {
    "list": List,
    "train": Train,
    "evaluate": Evaluate,
    "predict": Predict,
    "sample": Sample,
    "summary": Summary,
    "plot": Plot,
    "export": Export,
    "runs": Runs,
    "compare": Compare,
    "reproduce": Reproduce,
    "sweep": Sweep,
    "sweep-report": SweepReport,
    "data": Data,
}
TAKES_CONFIG: dict[str, Callable[[Sequence[str]], int]] = {
    "train": train,
    "sweep": sweep,
    "summary": summary,
}
"""Commands whose flags come from the experiment that they name first."""

OF_THE_FILE_SYSTEM = (
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ENAMETOOLONG,
    errno.ELOOP,
)
"""Errors of the paths that a command was given, not of its code."""


def usage() -> str:
    """The help of the command line as a whole."""
    lines = [f"usage: {PROGRAM} COMMAND [-h] …", "", "commands:"]
    lines += [f"  {name:<13} {kind.__doc__}" for name, kind in COMMANDS.items()]
    lines += ["", f"`{PROGRAM} COMMAND --help` shows the flags of a command."]
    lines += ["`--experiments DIR`, with any command, adds a folder of experiments of your own."]
    lines += [f"`{PROGRAM} --version` shows the versions."]
    return "\n".join(lines)


def version() -> str:
    """Versions of dlfun, of what it computes with, and of Python."""
    import importlib.metadata  # Only here: it takes a tenth of the time of a list.

    libraries = [f"{name} {importlib.metadata.version(name)}" for name in ("jax", "flax")]
    return ", ".join([f"dlfun {__version__}", *libraries, f"Python {platform.python_version()}"])


def without_experiments(arguments: Sequence[str]) -> list[str]:
    """The arguments without `--experiments DIR`, whose folder is used from then on."""
    rest: list[str] = []
    words = iter(arguments)
    for word in words:
        flag, equals, folder = word.partition("=")
        if flag != "--experiments":
            rest.append(word)
            continue
        folder = folder if equals else next(words, "")
        if not folder:
            raise UserError("--experiments needs the folder of your experiments")
        experiments.use_folder(Path(folder).expanduser())
    return rest


def _run(arguments: Sequence[str]) -> int:
    # A notebook's may name a package that is not here; figures are written to files.
    os.environ["MPLBACKEND"] = "agg"
    arguments = without_experiments(arguments)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(usage())
        return 0 if arguments else 2
    if arguments[0] == "--version":
        print(version())
        return 0
    name, *rest = arguments
    if name not in COMMANDS:
        known = ", ".join(COMMANDS)
        raise UserError(f"no command '{name}'{nearest(name, COMMANDS)}; there are: {known}")
    if name in TAKES_CONFIG and rest and not rest[0].startswith("-"):
        return TAKES_CONFIG[name](rest)
    return parse(COMMANDS[name], rest, f"{PROGRAM} {name}")()


def main(arguments: Sequence[str]) -> int:
    """Run a command; the exit status: 0 done, 1 a check failed, 2 bad input, 3 diverged."""
    try:
        status = _run(arguments)
        sys.stdout.flush()
        return status
    except (UserError, LayerError) as error:
        note(f"error: {' '.join(str(error).split())}")
        return 2
    except BrokenPipeError:
        # Whoever read the output, such as `head`, has enough. Python would complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + 13
    except OSError as error:
        if error.errno == errno.ENOSPC:
            note(f"error: no space left on the disk: {error.filename or 'while writing'}")
        elif error.filename is not None and error.errno in OF_THE_FILE_SYSTEM:
            note(f"error: {error.filename}: {(error.strerror or '').lower()}")
        else:
            raise
        return 2
    except KeyboardInterrupt:
        note("interrupted")
        return 130


def entry() -> None:
    """Run the command that the process was started with; the entry point of an installation."""
    in_huge_pages(sys.argv[1:])
    sys.exit(main(sys.argv[1:]))
