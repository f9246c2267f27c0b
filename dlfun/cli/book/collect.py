"""What the book tells: of each experiment and sweep, from run directories and the repository."""

import io
import json
import math
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

from PIL import Image

from dlfun import config as configs
from dlfun import experiment as experiments
from dlfun.cli import results
from dlfun.cli.compare import choose
from dlfun.cli.console import COMMAND
from dlfun.cli.plot import plot
from dlfun.cli.reproduce import row, setting
from dlfun.errors import UserError
from dlfun.plots.curves import learning_curves
from dlfun.plots.runs import by_epoch
from dlfun.plots.style import save
from dlfun.sweep.table import format_value, score
from dlfun.train import overview, run_directory
from dlfun.train.series import group

FIGURES, CURVES = "figures", "learning_curves"
MANY = 60_000
"""Bytes of a figure from which it is also tried with losses: those of photographs are fewer so."""
Warn = Callable[[str], None]


class Figure(NamedTuple):
    """An image of the book."""

    name: str
    path: str
    """Below the book's folder."""
    alt: str
    """What it shows, in words."""
    width: int
    height: int


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
    """Where the verdict is from: "full", "quick", "table" or nothing."""
    claims: list[list[str]]
    """As `results.cells`, with an empty cell for what was not measured."""
    made: str
    """Date, version and processor of rows from the table."""
    runs: list[dict[str, Any]]
    """Of each seed: the run's folder, status, seconds and its config.json."""
    figures: list[Figure]
    curves: list[Figure]
    commands: list[str]
    files: list[tuple[str, str]]
    """Name and text of its source files."""


class Sweep(NamedTuple):
    """A sweep."""

    title: str
    folder: str
    experiment: str
    metric: str
    columns: list[str]
    rows: list[list[tuple[str, Any]]]
    """Cells: text, and the value by which they are sorted."""
    commands: list[str]
    figures: list[Figure]


class Trial(TypedDict):
    """A trial of table.json."""

    rank: int
    trial: int
    status: str
    values: dict[str, Any]
    mean: float | None
    sd: float | None
    scores: dict[str, float | None]
    seconds: float | None


class Ranking(TypedDict):
    """The fields of a sweep's table.json that are read."""

    metric: str
    trials: list[Trial]
    rerun: list[str]


class Table(TypedDict):
    """A table of a report."""

    title: str
    header: list[str]
    rows: list[list[str]]


class Report(TypedDict):
    """The fields of a benchmark's report that are read."""

    date: str
    device: str
    versions: dict[str, str]
    tables: list[Table]


def report(path: Path) -> Report:
    """A report that a benchmark wrote. Raises UserError where the file is none."""
    if not path.is_file():
        raise UserError(f"--benchmarks {path}: expected a file that a benchmark wrote by --json")
    return run_directory.read_json(path, Report)


def collect(folders: Iterable[Path], book: Path, warn: Warn) -> tuple[list[Entry], list[Sweep]]:
    """All experiments, and the sweeps below the folders; their figures go into the book's folder.

    A run counts where it has ended and its configuration is that of its experiment's claims, or of
    the quick setting's, but for the seed. `warn` is called for what is left out.
    """
    (book / FIGURES).mkdir()
    ended: dict[str, list[Path]] = {}
    sweeps: list[Sweep] = []
    for found in (overview.describe(path) for folder in folders for path in overview.find(folder)):
        path = Path(found["run"])
        if found["kind"] == "sweep":
            try:
                sweeps.append(_sweep(path, len(sweeps) + 1, book, warn))
            except UserError as error:
                warn(str(error))
        elif found["status"] in run_directory.FINAL:
            ended.setdefault(found["experiment"], []).append(path)
        else:
            warn(f"{path} is {found['status']}: left out")
    written = results.read(experiments.ROOT / "README.md")
    entries = []
    for name, path in experiments.paths().items():
        try:
            entries.append(_entry(name, path, ended.get(name, []), written, book, warn))
        except UserError as error:
            warn(f"{name} is left out: {error}")
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
        if runs := _of_setting(start, ended):
            break
    else:
        start, claims, smaller = setting(experiment, False)
    made = ""
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
        made = "; ".join(dict.fromkeys(f"{r[7]}, {r[4]} seeds" for r in recorded if r))
    figures, curves = _figures(experiment, runs, book, warn)
    train = re.search(r"^Command: (.*)$", experiment.description, re.MULTILINE)
    words = " ".join(COMMAND)
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
            train[1] if train else f"{words} train {name}",
            f"{words} reproduce {name} --seeds 5",
            *([f"{words} reproduce {name} --quick"] if experiment.quick else []),
        ],
        files=[
            (file.name, file.read_text(encoding="utf-8"))
            for file in ([path, *_beside(path)] if path.name == "__init__.py" else [path])
        ],
    )


def _beside(path: Path) -> list[Path]:
    return sorted(file for file in path.parent.glob("*.py") if file != path)


def _unmeasured(name: str, bound: str, claim: experiments.Claim) -> list[str]:
    printed = claim.printed
    text = "" if printed is None else experiments.format_metric(claim.metric, printed)
    return [f"{name}: {bound}", claim.source, text, "", "not run", ""]


def _paragraphs(description: str) -> list[str]:
    """The paragraphs of a docstring after its first line and the lines with a name."""
    rest = description.partition("\n")[2]
    rest = re.sub(r"^(Figure|Time|Command): .*\n?", "", rest, flags=re.MULTILINE)
    return [part.strip("\n") for part in re.split(r"\n\s*\n", rest) if part.strip()]


def _of_setting(start: Any, ended: Sequence[Path]) -> list[dict[str, Any]]:
    """The runs of a configuration, the last of each seed, in the order of seeds."""
    wanted = json.loads(json.dumps(configs.to_dict(start))) | {"seed": None}
    by_seed = {}
    for path in sorted(ended, key=lambda path: (path / run_directory.RESULT).stat().st_mtime):
        config, result = run_directory.read_config(path), run_directory.read_result(path)
        if config["config"] | {"seed": None} == wanted:
            by_seed[config["config"]["seed"]] = {"path": path, "config": config, "result": result}
    return [by_seed[seed] for seed in sorted(by_seed)]


def _figures(
    experiment: experiments.Experiment, runs: Sequence[dict[str, Any]], book: Path, warn: Warn
) -> tuple[list[Figure], list[Figure]]:
    """The figures of the first run, and learning curves, over all seeds where there are several."""
    if not runs:
        return [], []
    name, run = experiment.name, runs[0]["path"]
    images = sorted((run / run_directory.PLOTS).glob("*.png"), key=lambda p: p.stat().st_mtime_ns)
    try:
        images = images or plot(run, warn)
    except Exception as error:  # Of the experiment's own code, which may be newer than the run.
        warn(f"no figures of {run}: {' '.join(str(error).split())}")
    draw = book / FIGURES / "drawn.png"
    curves = [path for path in images if path.stem == CURVES]
    drawn = []
    rows = run_directory.read_metrics(run)
    several = len({row["epoch"] for row in rows}) > 1  # One point is no curve.
    if several and not curves and "loss" in rows[-1]:
        figure = learning_curves(name, rows, experiment.objective)
        drawn.append(_figure(save(figure, draw), f"{name}-{CURVES}", CURVES, book))
    if several and len(runs) > 1:
        (series, *_) = group([one["path"] for one in runs])
        goal = experiment.objective
        try:
            metric, split = choose([series], goal.metric, None)
            figure = by_epoch([series._replace(label=name)], metric, split, goal.goal == "max")
            drawn.insert(0, _figure(save(figure, draw), f"{name}-seeds", "over seeds", book))
        except UserError as error:
            warn(f"no curves over seeds of {name}: {error}")
    draw.unlink(missing_ok=True)
    kept = [path for path in images if path not in curves]
    numbered = [*_copied(kept, name, book, warn)], [*_copied(curves, f"{name}-c", book, warn)]
    return numbered[0], [*drawn, *numbered[1]]


def _copied(images: Iterable[Path], name: str, book: Path, warn: Warn) -> Iterable[Figure]:
    for number, path in enumerate(images, 1):
        try:
            yield _figure(path, f"{name}-{number}", path.stem.replace("_", " "), book)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            warn(f"{path} is no image: {error}")


def _figure(path: Path, file: str, name: str, book: Path) -> Figure:
    """A PNG as WebP, which takes a third of the space, with the words that `save` put into it."""
    to = book / FIGURES / f"{file}.webp"
    with Image.open(path, formats=["PNG"]) as image:
        words = [image.info.get("Title"), image.info.get("Description")]
        drawn = image.convert("RGB")
        data = _webp(drawn, lossless=True, quality=50, method=2)
        if len(data) > MANY:
            data = min(data, _webp(drawn, quality=80), key=len)
        to.write_bytes(data)
        alt = ". ".join(str(part) for part in words if part) or f"{name.replace('_', ' ')}: {file}"
        return Figure(name, f"{FIGURES}/{to.name}", alt, *image.size)


def _webp(image: Image.Image, **how: Any) -> bytes:
    data = io.BytesIO()
    image.save(data, "WEBP", **how)
    return data.getvalue()


def _sweep(path: Path, number: int, book: Path, warn: Warn) -> Sweep:
    """A sweep from its table.json. Raises UserError where it has none yet, or a damaged one."""
    if not (path / overview.SWEEP_TABLE).exists():
        raise UserError(f"{path} has no table yet: sweep-report {path} makes it")
    table = run_directory.read_json(path / overview.SWEEP_TABLE, Ranking)
    about = run_directory.read_json(path / run_directory.SWEEP, overview.Named)
    metric, trials = table["metric"], table["trials"]
    swept = list(dict.fromkeys(p for t in trials for p in t["values"]))
    rows = []
    for trial in trials:
        values = [_plain(trial["values"].get(p)) for p in swept]
        mean = math.nan if trial["mean"] is None else trial["mean"]
        rows.append(
            [
                (str(trial["rank"]), trial["rank"]),
                (str(trial["trial"]), trial["trial"]),
                (trial["status"], trial["status"]),
                *(("" if v is None else format_value(v), v) for v in values),
                (score(mean, metric, trial["sd"]), trial["mean"]),
                (str(len(trial["scores"])), len(trial["scores"])),
                ("" if trial["seconds"] is None else f"{trial['seconds']:.1f}", trial["seconds"]),
            ]
        )
    images = sorted((path / run_directory.PLOTS).glob("*.png"))
    return Sweep(
        title=f"{about['experiment']} over {', '.join(swept) or 'seeds'}",
        folder=str(path),
        experiment=about["experiment"],
        metric=metric,
        columns=["rank", "trial", "status", *swept, metric, "seeds", "seconds"],
        rows=rows,
        commands=table["rerun"],
        figures=[*_copied(images, f"sweep-{number}", book, warn)],
    )


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
