"""The command line of `launch.py`: each command is a documented dataclass whose call does the work.

Heavy libraries are imported where they are used, so that help and lists answer at once.
"""

import codecs
import errno
import io
import logging
import os
import platform
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dlfun import __version__
from dlfun import experiment as experiments
from dlfun.cli.book import Book
from dlfun.cli.cache import Cache
from dlfun.cli.compare import Compare
from dlfun.cli.console import PROGRAM, note
from dlfun.cli.data import Data
from dlfun.cli.evaluate import Evaluate
from dlfun.cli.export import Export
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
from dlfun.errors import LayerError, UserError, is_out_of_memory, nearest

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
    "book": Book,
    "data": Data,
    "cache": Cache,
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


PLAINLY = "dlfun-plainly"
"""Name of the error handler for characters the output cannot encode: it prints those in `SIGNS`
as written there, and all others as question marks."""
SIGNS = {"≥": ">=", "≤": "<=", "±": "+-", "…": "...", "→": "->", "×": "x", "−": "-"}


def _plainly(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    letters = error.object[error.start : error.end]
    return "".join(SIGNS.get(letter, "?") for letter in letters), error.end


codecs.register_error(PLAINLY, _plainly)


def usage() -> str:
    """The help of the command line as a whole."""
    lines = [f"usage: {PROGRAM} COMMAND [-h] …", "", "commands:"]
    lines += [f"  {name:<13} {kind.__doc__}" for name, kind in COMMANDS.items()]
    lines += ["", f"`{PROGRAM} COMMAND --help` shows the flags of a command."]
    lines += ["With any command, `--experiments DIR` adds a folder of experiments of your own, and"]
    lines += ["`--data-dir DIR` is searched for datasets first, as if DLFUN_DATA named it."]
    lines += [f"`{PROGRAM} --version` shows the versions."]
    return "\n".join(lines)


def version() -> str:
    """Versions of dlfun, of what it computes with, and of Python."""
    import importlib.metadata  # Only here: it takes a tenth of the time of a list.

    libraries = [f"{name} {importlib.metadata.version(name)}" for name in ("jax", "flax")]
    return ", ".join([f"dlfun {__version__}", *libraries, f"Python {platform.python_version()}"])


def without_folders(arguments: Sequence[str]) -> list[str]:
    """The arguments without `--experiments DIR` and `--data-dir DIR`, which are used from then on.

    Raises UserError where there is no such folder.
    """
    uses = {"--experiments": experiments.use_folder, "--data-dir": _use_data}
    rest: list[str] = []
    words = iter(arguments)
    for word in words:
        flag, equals, named = word.partition("=")
        flag = flag.replace("_", "-")
        if flag not in uses:
            rest.append(word)
            continue
        named = named if equals else next(words, "")
        folder = Path(named).expanduser().absolute()
        if not named:
            raise UserError(f"{flag} needs the name of a folder")
        if not folder.is_dir():
            raise UserError(f"{flag} {named}: no such folder")
        uses[flag](folder)
    return rest


def _use_data(folder: Path) -> None:
    os.environ["DLFUN_DATA"] = str(folder)


def _run(arguments: Sequence[str]) -> int:
    # A notebook's may name a package that is not here; figures are written to files.
    os.environ["MPLBACKEND"] = "agg"
    arguments = without_folders(arguments)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(usage())
        return 0 if arguments else 2
    if arguments[0] == "--version":
        print(version())
        return 0
    name, *rest = arguments
    if name not in COMMANDS:
        names = ", ".join(COMMANDS)
        raise UserError(f"no command '{name}'{nearest(name, COMMANDS)}; there are: {names}")
    if name in TAKES_CONFIG and rest and not rest[0].startswith("-"):
        return TAKES_CONFIG[name](rest)
    return parse(COMMANDS[name], rest, f"{PROGRAM} {name}")()


def main(arguments: Sequence[str]) -> int:
    """Run a command; the exit status: 0 done, 1 a check failed, 2 bad input, 3 diverged."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=PLAINLY)  # It may be ASCII.
    logging.basicConfig(format="warning: %(message)s")  # A library may set another one later.
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
    except (MemoryError, RuntimeError) as error:  # NumPy raises the first, JAX the second.
        if not isinstance(error, MemoryError) and not is_out_of_memory(error):
            raise
        first, *_ = str(error).splitlines() or ["of no known size"]
        note(f"error: not enough memory: {first}")
        return 2
    except KeyboardInterrupt:
        note("interrupted")
        return 130
