"""Parallel coordinates: each trial a line across one axis a hyperparameter, coloured by result."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from dlfun.plots.style import COLOURS, INK, LABEL, figure
from dlfun.sweep.dimension import Dimension
from dlfun.sweep.figures.scale import (
    MOST_NAMES,
    Scale,
    Sweep,
    counted,
    edges,
    finding,
    label,
    metric_name,
    percents,
    scale,
    settings,
    thin,
    value_text,
)
from dlfun.sweep.table import Row, format_value

UNUSED = -0.12
"""Height of a line where the field is not swept, below every value."""


def draw(sweep: Sweep, dimensions: list[Dimension]) -> Figure:
    """An axis a dimension, a line a trial; the best on top, the diverged dashed."""
    rows = [*sweep.rows, *sweep.diverged]
    axes_of = [scale(dimension, rows) for dimension in dimensions]
    winner = sweep.rows[0]
    title = f"{finding(sweep, winner)}: {settings(winner, [d.path for d in dimensions])}"
    width = max(8.0, 2.1 * len(dimensions) + 2)
    drawn = figure(width, 5.4, title, f"{sweep.experiment}: {counted(rows)}")
    axes = drawn.subplots()
    worst, top = edges(sweep)
    # Dark is good: the best lines must stand out on white.
    colours = "viridis_r" if sweep.maximize else "viridis"
    shade = ScalarMappable(Normalize(min(worst, top), max(worst, top)), colours)
    lines = [_heights(row, axes_of) for row in reversed(sweep.rows)]
    across = np.arange(len(dimensions))
    axes.add_collection(
        LineCollection(
            [np.column_stack([across, line]) for line in lines],
            colors=[shade.to_rgba(row.mean) for row in reversed(sweep.rows)],
            linewidths=1.6,
            alpha=0.75,
        )
    )
    for i, row in enumerate(sweep.diverged):
        text = None if i else "diverged"
        axes.plot(across, _heights(row, axes_of), color="#9A9A9A", linestyle=":", label=text)
    axes.plot(across, lines[-1], color=COLOURS["test"], linewidth=4, marker="o", label="best trial")
    unused = [any(d.path not in row.trial.values for row in rows) for d in dimensions]
    for i, axis in enumerate(axes_of):
        _axis(axes, i, axis, unused[i])
    axes.set_xlim(-0.3, len(dimensions) - 0.55)
    axes.set_ylim(UNUSED - 0.05 if any(unused) else -0.05, 1.05)
    axes.set_xticks(
        across, [label(d.path).replace(" (", "\n(") for d in dimensions], fontsize=LABEL
    )
    axes.tick_params(length=0, labelcolor=INK)
    axes.yaxis.set_visible(False)
    axes.spines[:].set_visible(False)
    shares = FuncFormatter(percents) if "accuracy" in sweep.metric else None
    low = sweep.rows[-1].mean != worst
    extend = ("min" if sweep.maximize else "max") if low else "neither"
    bar = drawn.colorbar(shade, ax=axes, extend=extend, format=shares, pad=0.02)
    bar.set_label(metric_name(sweep.metric), fontsize=LABEL)
    drawn.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=LABEL - 1)
    return drawn


def _heights(row: Row, axes_of: list[Scale]) -> list[float]:
    values = row.trial.values
    return [_height(a, a.at(values[a.path])) if a.path in values else UNUSED for a in axes_of]


def _height(axis: Scale, coordinate: float) -> float:
    """A coordinate on an axis as a share of its length."""
    coordinates = [axis.at(axis.values[0]), axis.at(axis.values[-1]), coordinate]
    low, high, here = map(math.log, coordinates) if axis.log else coordinates
    return (here - low) / (high - low) if high > low else 0.5


def _axis(axes: Axes, i: int, axis: Scale, unused: bool) -> None:
    axes.axvline(i, ymin=0.0, color=INK, linewidth=1, zorder=1)
    ticks = [
        (value_text(axis.path, v), _height(axis, axis.at(v))) for v in thin(axis.values, MOST_NAMES)
    ]
    if axis.spacing != "even" and len(axis.values) > 8:
        low, high = float(axis.values[0]), float(axis.values[-1])
        coordinates = np.geomspace(low, high, 5) if axis.log else np.linspace(low, high, 5)
        ticks = [
            (format_value(float(f"{coordinate:.2g}")), _height(axis, float(coordinate)))
            for coordinate in coordinates
        ]
    for text, height in [*ticks, *([("not used", UNUSED)] if unused else [])]:
        axes.text(
            i + 0.03, height, text, va="center", ha="left", color=INK, fontsize=LABEL - 1, zorder=5,
            bbox={"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 1.0},
        )  # fmt: skip
