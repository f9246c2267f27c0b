"""The figures of the book: those of a run and learning curves over seeds, as WebP with words."""

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from dlfun.cli.compare import choose
from dlfun.cli.plot import plot
from dlfun.errors import UserError
from dlfun.experiment import Experiment
from dlfun.plots.curves import learning_curves
from dlfun.plots.runs import by_epoch
from dlfun.plots.style import save
from dlfun.train import run_directory
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
    """Alternative text."""
    width: int
    height: int


def figures_of(
    experiment: Experiment, runs: Sequence[Path], book: Path, warn: Warn
) -> tuple[list[Figure], list[Figure]]:
    """The figures of the first of an experiment's runs, and learning curves, over all of them.

    Those that `plot` drew before are taken; it draws them where there are none. `warn` is called
    for what is left out.
    """
    name, plots = experiment.name, runs[0] / run_directory.PLOTS
    images = sorted(plots.glob("*.png"), key=lambda path: path.stat().st_mtime_ns)
    try:
        images = images or plot(runs[0], warn)
    except Exception as error:  # Of the experiment's own code, which may be newer than the run.
        warn(f"no figures of {runs[0]}: {' '.join(str(error).split())}")
    drawn = [path for path in images if path.stem == CURVES]
    figures = [*converted([path for path in images if path not in drawn], name, book, warn)]
    curves = [*converted(drawn, f"{name}-{CURVES}", book, warn)]
    try:
        curves = [*_curves(experiment, runs, book, without=bool(curves)), *curves]
    except UserError as error:
        warn(f"no learning curves of {name}: {error}")
    return figures, curves


def _curves(
    experiment: Experiment, runs: Sequence[Path], book: Path, without: bool
) -> Iterator[Figure]:
    """Curves over seeds where there are several, and `without` those of the first seed."""
    name, objective = experiment.name, experiment.objective
    rows = run_directory.read_metrics(runs[0])
    if len({row["epoch"] for row in rows}) <= 1:
        return  # One point is no curve.
    file = book / FIGURES / "drawn.png"
    if len(runs) > 1:
        (series, *_) = group(runs)
        metric, split = choose([series], objective.metric, None)
        over_seeds = by_epoch([series._replace(label=name)], metric, split, objective.goal == "max")
        yield _figure(save(over_seeds, file), f"{name}-seeds", "over seeds", book)
    if not without and "loss" in rows[-1]:
        alone = learning_curves(name, rows, objective)
        yield _figure(save(alone, file), f"{name}-{CURVES}", "seed 0", book)
    file.unlink(missing_ok=True)


def converted(images: Iterable[Path], name: str, book: Path, warn: Warn) -> Iterator[Figure]:
    """PNGs as numbered files of the book; `warn` is called for what is none."""
    for number, path in enumerate(images, 1):
        try:
            yield _figure(path, f"{name}-{number}", path.stem.replace("_", " "), book)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            warn(f"{path} is no image: {error}")


def _figure(path: Path, file: str, name: str, book: Path) -> Figure:
    """A PNG as WebP, in a third of its bytes, with the words that `save` put into it."""
    to = book / FIGURES / f"{file}.webp"
    with Image.open(path, formats=["PNG"]) as image:
        words = [image.info.get("Title"), image.info.get("Description")]
        colours = image.convert("RGB")
    data = _webp(colours, lossless=True, quality=50, method=2)
    if len(data) > MANY:
        data = min(data, _webp(colours, quality=80), key=len)
    to.write_bytes(data)
    alt = ". ".join(str(part) for part in words if part) or f"{name}: {file}"
    return Figure(name, f"{FIGURES}/{to.name}", alt, *colours.size)


def _webp(image: Image.Image, **how: Any) -> bytes:
    data = io.BytesIO()
    image.save(data, "WEBP", **how)
    return data.getvalue()
