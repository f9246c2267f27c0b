"""Trials, axes and labels that the figures of a sweep have in common."""

import itertools
import math
import statistics
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from dlfun.plots.style import INK, LABEL
from dlfun.sweep.dimension import Dimension
from dlfun.sweep.table import Row, format_value, number_of, score

UNITS = {"batch_size": "examples", "period": "epochs", "warm_up": "epochs"}
WORDS = {"hidden": "hidden units", "l2": "L2 penalty", "beta1": "β₁", "beta2": "β₂", "epsilon": "ε"}
MOST_TICKS, MOST_NAMES = 10, 16
"""Labels on an axis of numbers where they lie, and of values evenly apart."""


class Sweep(NamedTuple):
    """The trials of a sweep that a figure shows."""

    experiment: str
    metric: str
    maximize: bool
    rows: list[Row]
    """The completed trials, best first; never empty."""
    diverged: list[Row]


class Scale(NamedTuple):
    """An axis of hyperparameter values."""

    path: str
    values: tuple[Any, ...]
    """All that were tried, in order."""
    numeric: bool
    spacing: Literal["linear", "log", "even"]

    @property
    def log(self) -> bool:
        """True if equal ratios are equally far apart."""
        return self.spacing == "log"

    def at(self, value: Any) -> float:
        """The position of a value: itself, or its index where values are evenly spaced."""
        return float(self.values.index(value) if self.spacing == "even" else value)


def is_numeric(dimension: Dimension) -> bool:
    """True if the values are ordered numbers, rather than names, none or tuples."""
    numbers = (isinstance(v, int | float) and not isinstance(v, bool) for v in dimension.values)
    return dimension.kind != "list" or (len(dimension.values) > 1 and all(numbers))


def scale(dimension: Dimension, rows: Iterable[Row]) -> Scale:
    """The axis of a dimension, for the values that the rows tried."""
    path, numeric = dimension.path, is_numeric(dimension)
    tried = {row.trial.values[path] for row in rows if path in row.trial.values}
    # A range's values may be too many to walk through; a list's have an order of their own.
    order = sorted(tried) if numeric else [value for value in dimension.values if value in tried]
    if not numeric:
        return Scale(path, tuple(order), numeric, "even")
    if dimension.kind == "log" or (dimension.kind == "list" and _geometric(order)):
        return Scale(path, tuple(order), numeric, "log")
    # Labels of 0.9, 0.99 and 0.999 would lie on each other where they are.
    crowded = dimension.kind == "list" and any(
        b - a < 0.12 * (order[-1] - order[0]) for a, b in itertools.pairwise(order)
    )
    return Scale(path, tuple(order), numeric, "even" if crowded else "linear")


def _geometric(values: list[float]) -> bool:
    """True if ordered numbers are spaced more evenly in the logarithm than as they are."""
    if len(values) < 2 or values[0] <= 0:
        return False
    if len(values) == 2:
        return values[1] >= 5 * values[0]

    def unevenness(coordinates: list[float]) -> float:
        gaps = [b - a for a, b in itertools.pairwise(coordinates)]
        return statistics.pstdev(gaps) / statistics.fmean(gaps)

    return unevenness([math.log(value) for value in values]) < unevenness(values)


def name(path: str) -> str:
    """A field in words: `optimizer.learning_rate` is learning rate, `optimizer.name` optimizer.

    Several, after commas, each in words.
    """
    if "," in path:
        return ", ".join(map(name, path.split(",")))
    group, _, last = path.rpartition(".")
    words = group.rpartition(".")[2] if last == "name" else last
    words = WORDS.get(words, words.replace("_", " "))
    return f"schedule {words}" if group.endswith("schedule") else words


def value_text(path: str, value: Any) -> str:
    """The value of a field, or those of fields that are set together, for people."""
    return ", ".join(map(format_value, value)) if "," in path else format_value(value)


def label(path: str) -> str:
    """A field in words with its unit, for an axis."""
    unit = UNITS.get(path.rpartition(".")[2])
    return name(path) + (f" ({unit})" if unit else "")


def metric_name(metric: str) -> str:
    """A metric in words: `train/loss` is the training loss."""
    split, _, what = metric.rpartition("/")
    return f"{'training' if split == 'train' else split} {what.replace('_', ' ')}".strip()


def finding(sweep: Sweep, row: Row) -> str:
    """A trial's result in words: `98.15 % test accuracy`, `test loss 0.06`."""
    figure, words = score(row.mean, sweep.metric), metric_name(sweep.metric)
    return f"{figure} {words}" if figure.endswith("%") else f"{words} {figure}"


def settings(row: Row, paths: Iterable[str]) -> str:
    """The values that a trial set some fields to, in words."""
    values = row.trial.values
    fields = (field for path in paths for field in path.split(","))
    return ", ".join(f"{name(f)} {format_value(values[f])}" for f in fields if f in values)


def counted(rows: Sequence[Row]) -> str:
    """The numbers of trials and seeds that a figure shows."""
    seeds = max(len(row.scores) for row in rows)
    each = f"mean over {seeds} seeds each" if seeds > 1 else "one seed"
    return f"{number_of(len(rows), 'trial')}, {each}"


def edges(sweep: Sweep) -> tuple[float, float]:
    """The worst and the best metric to show: a few hopeless trials must not flatten the rest."""
    means = [row.mean for row in sweep.rows]
    top, worst = means[0], means[-1]
    reach = 4 * abs(statistics.median(means) - top)
    if 0 < 1.5 * reach < abs(worst - top):
        worst = top - reach if sweep.maximize else top + reach
    return worst, top


def dress_values(axes: Axes, axis: Scale) -> None:
    """Set up the horizontal axis for hyperparameter values."""
    coordinates = [axis.at(value) for value in axis.values]
    if axis.log:
        axes.set_xscale("log")
    if axis.log and (decades := _decades(coordinates[0], coordinates[-1])):
        axes.set_xticks(decades, [format_value(decade) for decade in decades])
    elif axis.spacing == "even" or len(coordinates) <= MOST_TICKS:
        axes.xaxis.set_minor_locator(NullLocator())
        ticks = thin(coordinates, MOST_NAMES)
        texts = [value_text(axis.path, value) for value in thin(axis.values, MOST_NAMES)]
        if len(texts) * max(map(len, texts)) > 60:
            axes.set_xticks(ticks, texts, rotation=30, ha="right", rotation_mode="anchor")
        else:
            axes.set_xticks(ticks, texts)
    if axis.spacing == "even":
        axes.set_xlim(-0.5, len(axis.values) - 0.5)
    elif axis.log:
        room = (coordinates[-1] / coordinates[0]) ** 0.06
        axes.set_xlim(coordinates[0] / room, coordinates[-1] * room)
    else:
        room = 0.06 * (coordinates[-1] - coordinates[0])
        axes.set_xlim(coordinates[0] - room, coordinates[-1] + room)
    axes.set_xlabel(label(axis.path), fontsize=LABEL)


def thin(labels: Sequence[Any], most: int) -> Sequence[Any]:
    """At most so many labels, evenly apart."""
    return labels[:: -(-len(labels) // most)]


def _decades(low: float, high: float) -> list[float]:
    """The powers of ten on an axis, at most `MOST_TICKS`; none where there are fewer than two."""
    room = (high / low) ** 0.06  # As much as `dress_values` leaves at each end.
    ends = math.ceil(math.log10(low / room)), math.floor(math.log10(high * room))
    step = max(ends[1] - ends[0], 0) // MOST_TICKS + 1
    decades = [10.0**power for power in range(ends[0], ends[1] + 1, step)]
    return decades if len(decades) > 1 else []


def best_over(dimensions: Sequence[Dimension], *shown: Dimension) -> str:
    """A remark on the fields that a figure does not show: its points are the best over them."""
    others = [name(d.path) for d in dimensions if d.path not in {other.path for other in shown}]
    return f"; the best over {', '.join(others)}" if others else ""


def percents(share: float, _: float | None = None) -> str:
    """An accuracy at a tick; none above 1, where an axis may end."""
    return f"{100 * share:.4g} %" if share < 1 + 1e-9 else ""


def dress_metric(axes: Axes, sweep: Sweep) -> None:
    """Set up the vertical axis for the metric, with room past its worst value for marks.

    It holds one standard deviation on both sides of each value that is shown.
    """
    worst, top = edges(sweep)
    room = 0.1 * abs(top - worst) or 0.01 * abs(top) or 1.0
    low, high = sorted((worst, top))
    shown = [row for row in sweep.rows if low <= row.mean <= high]
    low = min(low, *(row.mean - (row.sd or 0.0) for row in shown))
    high = max(high, *(row.mean + (row.sd or 0.0) for row in shown))
    axes.set_ylim(low - room, high + room)
    if "accuracy" in sweep.metric:
        axes.yaxis.set_major_formatter(percents)
    axes.set_ylabel(metric_name(sweep.metric), fontsize=LABEL)
    axes.grid(color="#dddddd")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=LABEL - 1, labelcolor=INK)
