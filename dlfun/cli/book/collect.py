"""The contents of the book, read from run directories, experiments and the table of results."""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

from dlfun import config as configs
from dlfun import experiment as experiments
from dlfun.cli import results
from dlfun.cli.book.figures import FIGURES, Figure, figures_of
from dlfun.cli.book.sweeps import Sweep, read_sweep
from dlfun.cli.console import COMMAND, progress
from dlfun.cli.reproduce import row, setting
from dlfun.errors import UserError
from dlfun.sweep.table import format_value
from dlfun.train import overview, run_directory

Warn = Callable[[str], None]


class Entry(NamedTuple):
    """An experiment."""

    about: dict[str, str]
    """The result of `dlfun.experiment.describe`."""
    paragraphs: list[str]
    """The rest of its docstring."""
    formula: str
    settings: dict[str, Any]
    """Its hyperparameters, by path."""
    verdict: str
    """"holds", "fails" or "not run"."""
    origin: str
    """Source of the verdict: runs of the "full" or the "quick" setting, the "table", or ""."""
    claims: list[list[str]]
    """The cells of `results.cells` for each claim; empty where nothing was measured."""
    made: str
    """Date, version and processor of rows from the table."""
    runs: list[dict[str, Any]]
    """The run of each seed: its "path", "config" (config.json) and "result" (result.json)."""
    figures: list[Figure]
    curves: list[Figure]
    commands: list[str]
    files: list[tuple[str, str]]
    """Name and text of its source files."""


class Table(TypedDict):
    """A table of a report."""

    title: str
    header: list[str]
    rows: list[list[str]]


class Report(TypedDict):
    """The fields of a benchmark's report that are read."""

    command: str
    date: str
    device: str
    versions: dict[str, str]
    tables: list[Table]


def report(path: Path) -> Report:
    """A report that a benchmark wrote. Raises UserError where the file is none."""
    if not path.is_file():
        raise UserError(f"--benchmarks {path}: expected a file that a benchmark wrote by --json")
    found: Report = run_directory.read_json(path, Report)
    for table in found["tables"]:
        if any(len(row) != len(table["header"]) for row in table["rows"]):
            raise UserError(
                f"{path} is damaged: a row of '{table['title']}' does not fit its header"
            )
    return found


def collect(folders: Iterable[Path], book: Path, warn: Warn) -> tuple[list[Entry], list[Sweep]]:
    """All experiments, and the sweeps below the folders; their figures go into the book's folder.

    A run counts where it has ended and its configuration is that of its experiment's claims, or of
    the quick setting's, but for the seed. `warn` is called for what is left out.
    """
    (book / FIGURES).mkdir()
    ended: dict[str, list[Path]] = {}
    sweeps: list[Sweep] = []
    paths = {path.resolve(): path for folder in folders for path in overview.find(folder)}
    for found in map(overview.describe, paths.values()):
        path = Path(found["run"])
        if found["kind"] == "sweep":
            try:
                sweeps.append(read_sweep(path, f"sweep-{len(sweeps) + 1}", book, warn))
            except UserError as error:
                warn(str(error))
        elif found["status"] in run_directory.FINAL:
            ended.setdefault(found["experiment"], []).append(path)
        else:
            warn(f"{path} is {found['status']}: left out")
    written = results.read(experiments.ROOT / "README.md")
    entries = []
    for name, path in progress(experiments.paths().items(), "book"):
        try:
            entries.append(_entry(name, path, ended.get(name, []), written, book, warn))
        except Exception as error:  # Of the experiment's own code.
            warn(f"{name} is left out: {' '.join(str(error).split())}")
    return entries, sweeps


def _entry(
    name: str,
    path: Path,
    ended: Sequence[Path],
    written: dict[str, list[str]],
    book: Path,
    warn: Warn,
) -> Entry:
    experiment, about = experiments.load(name), experiments.describe(name, path)
    for quick in (False, True):
        start, claims, smaller = setting(experiment, quick)
        runs, others = _of_setting(start, ended)
        if runs:
            break
    else:
        start, claims, smaller = setting(experiment, False)
    if others:
        warn(f"{others[0]} has other settings than the claims of {name}: left out")
    made, seeds = "", [5, len(runs)]
    if runs:
        trained = [run["result"] for run in runs]
        rows = [row(name, claim, trained) for claim in claims]
        cells, holds = [results.cells(one) for one in rows], all(one["holds"] for one in rows)
        origin = "quick" if smaller else "full"
    else:
        bounds = [results.statement(c.metric, c.at_least, c.at_most) for c in claims]
        recorded = [written.get(f"{name}: {bound}") for bound in bounds]
        cells = [
            [*line[:4], line[5], line[6]] if line else _unmeasured(name, bound, claim)
            for line, bound, claim in zip(recorded, bounds, claims, strict=True)
        ]
        holds = all(cell[4] == "holds" for cell in cells)
        origin = "table" if all(recorded) else ""
        lines = [line for line in recorded if line]
        made = "; ".join(dict.fromkeys(map(_made, lines)))
        seeds += [int(line[4]) for line in lines]
    folders = [run["path"] for run in runs]
    figures, curves = figures_of(experiment, folders, book, warn) if runs else ([], [])
    words = " ".join(COMMAND)
    train = f"{words} train {name}"
    described = re.search(r"^Command: (.*)$", experiment.description, re.MULTILINE)
    return Entry(
        about=about,
        paragraphs=_paragraphs(experiment.description),
        formula=experiment.formula,
        settings={p: format_value(v) for p, v in configs.flatten(start).items() if p != "seed"},
        verdict=("holds" if holds else "fails") if origin else "not run",
        origin=origin,
        claims=[[cell[0].partition(": ")[2], *cell[1:]] for cell in cells],
        made=made,
        runs=runs,
        figures=figures,
        curves=curves,
        commands=[
            *dict.fromkeys([train, described[1] if described else train]),
            f"{words} reproduce {name} --seeds {max(seeds)}",
            *([f"{words} reproduce {name} --quick"] if experiment.quick else []),
        ],
        files=[
            (file.relative_to(path.parent.parent).as_posix(), file.read_text(encoding="utf-8"))
            for file in _files(path)
        ],
    )


def _made(line: Sequence[str]) -> str:
    """Date, version, processor, number of seeds and seconds of one training, of a table's row."""
    return f"{line[7]}, {line[4]} seed{'' if line[4] == '1' else 's'} of {line[6]} s"


def _files(path: Path) -> list[Path]:
    """The source files of an experiment; `__init__.py` sorts before the others of a package."""
    return sorted(path.parent.glob("*.py")) if path.name == "__init__.py" else [path]


def _unmeasured(name: str, bound: str, claim: experiments.Claim) -> list[str]:
    printed = claim.printed
    text = "" if printed is None else experiments.format_metric(claim.metric, printed)
    return [f"{name}: {bound}", claim.source, text, "", "not run", ""]


def _paragraphs(description: str) -> list[str]:
    """The paragraphs of a docstring after its first line and the lines with a name."""
    rest = description.partition("\n")[2]
    rest = re.sub(r"^(Figure|Time|Command): .*\n?", "", rest, flags=re.MULTILINE)
    return [part.strip("\n") for part in re.split(r"\n\s*\n", rest) if part.strip()]


def _of_setting(start: Any, ended: Sequence[Path]) -> tuple[list[dict[str, Any]], list[Path]]:
    """The runs of a configuration, the last of each seed, in the order of seeds; and the others."""
    wanted = json.loads(json.dumps(configs.to_dict(start))) | {"seed": None}
    by_seed, others = {}, []
    for path in sorted(ended, key=lambda path: (path / run_directory.RESULT).stat().st_mtime):
        config, result = run_directory.read_config(path), run_directory.read_result(path)
        if config["config"] | {"seed": None} == wanted:
            by_seed[config["config"]["seed"]] = {"path": path, "config": config, "result": result}
        else:
            others.append(path)
    return [by_seed[seed] for seed in sorted(by_seed)], others
