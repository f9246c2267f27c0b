"""Count losses by kills, damage and misuse: `python -m benchmarks.reliability --help`."""

import contextlib
import io
import os
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from annotated_types import Ge

from benchmarks import command, tables
from benchmarks.reliability import command_lines, damage, kills
from benchmarks.tables import Rows

QUICK_FILES = {
    "run": ("config.json", "result.json", "metrics.jsonl"),
    "sweep": ("sweep.json", "trials.jsonl"),
}


@dataclass(frozen=True)
class Benchmark:
    """Kill trainings, damage their files, give bad command lines, and count what went wrong."""

    kills: Annotated[int, Ge(0)] = 200
    """Kills in all, over the commands in turn."""
    flips: Annotated[int, Ge(1)] = 10
    """Bits that are flipped in each text file of a run or a sweep, one at a time; others have 1."""
    seed: int = 0
    """Random seed of the moments and of the bits."""
    quick: bool = False
    """One kill, few files, and every tenth command line: only whether it runs."""
    markdown: bool = False
    """Print Markdown instead of tables."""


@command.one_line_errors
def main(arguments: list[str]) -> int:
    """Print the totals; the exit status is 1 where anything went wrong, 2 for bad input."""
    benchmark = command.parse(Benchmark, arguments, "python -m benchmarks.reliability")
    wrong = 0
    for measure in (killed, damaged, refused):
        table, number = measure(benchmark)
        print(tables.markdown(table)) if benchmark.markdown else tables.show(table)
        sys.stdout.flush()
        wrong += number
    return 1 if wrong else 0


def killed(benchmark: Benchmark) -> tuple[Rows, int]:
    """A row of totals for each command, and one for all."""
    names = list(kills.SETTINGS)[: 1 if benchmark.quick else None]
    count = 1 if benchmark.quick else benchmark.kills
    by_command: dict[str, kills.Totals] = {}
    for number, name in enumerate(names):
        mine = count // len(names) + (number < count % len(names))
        with tempfile.TemporaryDirectory(prefix="dlfun-") as scratch:
            seed = benchmark.seed + number
            by_command[name] = kills.kill_often(kills.SETTINGS[name], mine, Path(scratch), seed)
        print(f"{name}: {by_command[name]}", file=sys.stderr)
    by_command["in all"] = sum(by_command.values(), kills.Totals())
    header = ("command", "kills", "taken to the end", "arrays", "arrays that differ")
    more = ("results that differ", "lost", "doubled", "other status")
    rows = [(name, *map(str, totals)) for name, totals in by_command.items()]
    table = Rows("Killed and resumed, beside uninterrupted", (*header, *more), rows)
    return table, by_command["in all"].wrong


def damaged(benchmark: Benchmark) -> tuple[Rows, int]:
    """A row of totals for a run and for a sweep; those that went wrong are printed."""
    verdicts = "unaffected", "named", "refused", "unclear", "traceback", "wrong"
    rows, wrong = [], 0
    for what in damage.READERS:
        chance, outcomes = random.Random(benchmark.seed), []
        with working_directory(), quiet():
            damage.prepare()
            flips = 1 if benchmark.quick else benchmark.flips
            only = QUICK_FILES[what] if benchmark.quick else None
            outcomes = list(damage.try_all(what, chance, flips, only))
        counts = Counter(outcome.verdict for outcome in outcomes)
        for outcome in outcomes:
            if outcome.verdict in damage.WRONG:
                print(*outcome, sep="\n", file=sys.stderr)
        wrong += sum(counts[verdict] for verdict in damage.WRONG)
        files = {outcome.file for outcome in outcomes}
        damages = {(outcome.file, outcome.damage) for outcome in outcomes}
        numbers = len(files), len(damages), len(outcomes), *(counts[name] for name in verdicts)
        rows.append((what, *map(str, numbers)))
    header = "damaged", "files", "damages", "commands", *verdicts
    return Rows("Files removed, emptied, cut off, or flipped in a bit", header, rows), wrong


def refused(benchmark: Benchmark) -> tuple[Rows, int]:
    """A row of totals of bad command lines; those that went wrong are printed."""
    with working_directory() as folder:
        with quiet():
            command_lines.prepare(folder)
        lines = command_lines.LINES[:: 10 if benchmark.quick else 1]
        refusals = list(command_lines.try_all(folder, lines))
    wrong = [one for one in refusals if one.wrong]
    for one in wrong:
        print(*one, sep="\n", file=sys.stderr)
    numbers = (
        len(refusals),
        sum(one.status is None for one in refusals),
        sum(one.status != 2 for one in refusals),
        sum(bool(one.left) for one in refusals),
        len(wrong),
    )
    header = ("command lines", "tracebacks", "other status than 2", "leave something", "wrong")
    return Rows("Bad command lines", header, [tuple(map(str, numbers))]), len(wrong)


@contextlib.contextmanager
def working_directory() -> Iterator[Path]:
    """An empty working directory for the context."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="dlfun-") as scratch:
        os.chdir(scratch)
        try:
            yield Path(scratch)
        finally:
            os.chdir(before)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Discard the output of commands."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
