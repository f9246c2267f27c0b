"""Sensitivity of each category, such as an optimizer, to a number, such as the learning rate."""

from typing import Any

from matplotlib.figure import Figure

from dlfun.plots.style import LABEL, figure
from dlfun.sweep.dimension import Dimension
from dlfun.sweep.figures.against import FAINT, beyond, curve, leaders, mark
from dlfun.sweep.figures.scale import (
    Sweep,
    counted,
    dress_metric,
    dress_values,
    finding,
    name,
    scale,
    settings,
    value_text,
)
from dlfun.sweep.table import Row, score

LINES = [
    *(("#0072B2", "o"), ("#D55E00", "s"), ("#009E73", "^"), ("#CC79A7", "D")),
    *(("#E69F00", "v"), ("#56B4E9", "P"), ("#000000", "X"), ("#7F7F7F", "*")),
]
"""Okabe and Ito's palette (2008), with grey in the place of yellow, which is pale on white."""


def restrict(sweep: Sweep, category: Dimension, number: Dimension) -> Sweep:
    """The sweep with only the trials that set both dimensions.

    It has none where no category has two numbers: there is no line to draw.
    """

    def complete(rows: list[Row]) -> list[Row]:
        return [row for row in rows if {category.path, number.path} <= row.trial.values.keys()]

    rows, diverged = complete(sweep.rows), complete(sweep.diverged)
    pairs = {
        (r.trial.values[category.path], r.trial.values[number.path]) for r in [*rows, *diverged]
    }
    if len(pairs) == len({value for value, _ in pairs}):
        rows, diverged = [], []
    return sweep._replace(rows=rows, diverged=diverged)


def draw(sweep: Sweep, category: Dimension, number: Dimension, remark: str = "") -> Figure:
    """One panel, the number across and the metric up, a line a category, best category first.

    Both are swept in every trial of the sweep. Of many categories the best are shown, as many as
    there are `LINES`.
    """
    paths = (category.path, number.path)
    groups: dict[Any, list[Row]] = {}
    for row in [*sweep.rows, *sweep.diverged]:
        groups.setdefault(row.trial.values[category.path], []).append(row)
    if len(groups) > len(LINES):
        remark += f"; the best {len(LINES)} of {len(groups)}"
        groups = dict(list(groups.items())[: len(LINES)])
    rows = [row for group in groups.values() for row in group]
    axis = scale(number, rows)
    title = (
        f"{sweep.experiment}: {finding(sweep, sweep.rows[0])} with {settings(sweep.rows[0], paths)}"
    )
    spread = "; with ± 1 standard deviation" if any(row.sd for row in rows) else ""
    drawn = figure(9.5, 5.4, title, counted(rows) + remark + spread)
    axes = drawn.subplots()
    dress_metric(axes, sweep)
    dress_values(axes, axis)
    for i, (value, group) in enumerate(groups.items()):
        colour, marker = LINES[i]
        done = [row for row in group if row.trial.status == "completed"]
        result = score(done[0].mean, sweep.metric) if done else "diverged"
        text = f"{value_text(category.path, value)}  {result}"
        line = [row for row in leaders(done, axis) if not beyond(row, sweep)]
        curve(axes, line, axis, colour, marker, text)
        mark(axes, sweep, group, axis, colour, shift=6 * (i - (len(groups) - 1) / 2))
    if any(beyond(row, sweep) for row in rows if row.trial.status == "completed"):
        way = "v" if sweep.maximize else "^"
        axes.scatter([], [], color=FAINT, marker=way, label="off the axis")
    if any(row.trial.status == "diverged" for row in rows):
        axes.scatter([], [], color=FAINT, marker="x", label="diverged")
    axes.legend(
        loc="upper left",
        bbox_to_anchor=(1.01, 1.02),
        title=f"{name(category.path)} and its best",
        title_fontsize=LABEL,
        fontsize=LABEL - 1,
        frameon=False,
        alignment="left",
    )
    return drawn
