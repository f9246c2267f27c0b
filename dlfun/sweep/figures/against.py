"""The metric against one hyperparameter: every trial, and the best of the others at each value."""

import math
from collections.abc import Sequence
from typing import Any, cast

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import offset_copy

from dlfun.plots.style import COLOURS, LABEL, figure
from dlfun.sweep.dimension import Dimension
from dlfun.sweep.figures.scale import (
    Scale,
    Sweep,
    counted,
    dress_metric,
    dress_values,
    edges,
    finding,
    scale,
    settings,
)
from dlfun.sweep.table import Row

BINS = 10
BAD, FAINT = COLOURS["test"], "#8A8A8A"


def draw(sweep: Sweep, dimension: Dimension, remark: str = "", connected: bool = True) -> Figure:
    """One panel, the hyperparameter across and the metric up; a remark in the second line.

    A line joins numbers where `connected`.
    """
    path = dimension.path
    rows = [row for row in sweep.rows if path in row.trial.values]
    diverged = [row for row in sweep.diverged if path in row.trial.values]
    axis = scale(dimension, [*rows, *diverged])
    axis = axis._replace(numeric=axis.numeric and connected)
    title = f"{sweep.experiment}: {finding(sweep, rows[0])} with {settings(rows[0], [path])}"
    drawn = figure(7.5, 5.4, title, counted([*rows, *diverged]) + remark)
    axes = drawn.subplots()
    dress_metric(axes, sweep)
    dress_values(axes, axis)
    line = leaders(rows, axis)
    if len(line) < len(rows):
        shown = [row for row in rows if not beyond(row, sweep)]
        axes.scatter(
            [axis.at(row.trial.values[path]) for row in shown],
            [row.mean for row in shown],
            color=FAINT, alpha=0.45, s=28, linewidths=0, label="every trial",
        )  # fmt: skip
    binned = len({row.trial.values[path] for row in rows}) > len(line)
    others = "best in each tenth of the range" if binned else "best at each value"
    text = others if len(line) < len(rows) else "the trials"
    line = [row for row in line if not beyond(row, sweep)]
    curve(axes, line, axis, COLOURS["train"], "o", text, band_label="± 1 standard deviation")
    mark(axes, sweep, [*rows, *diverged], axis)
    drawn.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=LABEL - 1)
    return drawn


def leaders(rows: Sequence[Row], axis: Scale) -> list[Row]:
    """The best row at each value, in the order of the axis; of many numbers, in each tenth."""
    best_rows: dict[float, Row] = {}
    for row in rows:  # Best first, so the first comer stays.
        best_rows.setdefault(_cell(row, axis), row)
    return sorted(best_rows.values(), key=lambda row: axis.at(row.trial.values[axis.path]))


def _cell(row: Row, axis: Scale) -> float:
    coordinate = axis.at(row.trial.values[axis.path])
    if axis.spacing == "even" or len(axis.values) <= BINS + 2:
        return coordinate
    low, high = (math.log(v) if axis.log else v for v in (axis.values[0], axis.values[-1]))
    share = ((math.log(coordinate) if axis.log else coordinate) - low) / (high - low)
    return min(int(BINS * share), BINS - 1)


def curve(
    axes: Axes,
    rows: Sequence[Row],
    axis: Scale,
    colour: str,
    marker: str,
    text: str,
    band_label: str | None = None,
) -> None:
    """Means with a band (between numbers) or bars (else) of one standard deviation."""
    across = [axis.at(row.trial.values[axis.path]) for row in rows]
    means = [row.mean for row in rows]
    spread = [row.sd or 0.0 for row in rows]
    style: dict[str, Any] = {"color": colour, "marker": marker, "markersize": 7, "linewidth": 2}
    if not axis.numeric or len(rows) == 1:
        bars = spread if any(spread) else None
        text += f" {band_label}" if bars and band_label else ""
        style |= {"linewidth": 0, "elinewidth": 2, "capsize": 5}
        axes.errorbar(across, means, bars, **style, label=text)
        return
    axes.plot(across, means, **style, label=text)
    if any(spread):
        low, high = ([m + sign * s for m, s in zip(means, spread, strict=True)] for sign in (-1, 1))
        axes.fill_between(
            across, low, high, color=colour, alpha=0.18, linewidth=0, label=band_label
        )


def beyond(row: Row, sweep: Sweep) -> bool:
    """True if a trial is too bad for the metric's axis."""
    worst, top = edges(sweep)
    return abs(row.mean - top) > abs(worst - top)


def mark(
    axes: Axes,
    sweep: Sweep,
    rows: Sequence[Row],
    axis: Scale,
    colour: str | None = None,
    shift: float = 0.0,
) -> None:
    """Marks past the worst value for trials that are off the axis or diverged.

    Of one colour, moved sideways by `shift` points; or grey and red, and named in the legend.
    """
    worst, _ = edges(sweep)
    end = axes.get_ylim()[0 if sweep.maximize else 1]
    lost = [row for row in rows if row.trial.status == "diverged"]
    off = [row for row in rows if row not in lost and beyond(row, sweep)]
    shifted = offset_copy(axes.transData, cast(Figure, axes.figure), x=shift, units="points")
    for marked, marker, share, default, text in (
        (off, "v" if sweep.maximize else "^", 0.3, FAINT, "off the axis"),
        (lost, "x", 0.8, BAD, "diverged"),
    ):
        if marked:
            axes.scatter(
                [axis.at(row.trial.values[axis.path]) for row in marked],
                [worst + share * (end - worst)] * len(marked),
                color=colour or default, marker=marker, s=45, linewidths=2 if marker == "x" else 0,
                label=None if colour else text, zorder=3, clip_on=False, transform=shifted,
            )  # fmt: skip
