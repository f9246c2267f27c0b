"""Learners trained side by side: a metric of each against the epoch."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from dlfun.plots.style import PALETTE, figure, tidy

DASHES = ("-", "--", "-.", ":")


def draw(
    title: str,
    rows: Sequence[dict[str, Any]],
    names: Mapping[str, str],
    metric: str = "loss",
    split: str = "test",
    detail: str = "",
    log: bool = False,
) -> Figure:
    """A line for each learner: `names` maps the learner's name to its label in the legend."""
    drawn = figure(8, 5, title, detail)
    axes = drawn.subplots()
    for number, (name, label) in enumerate(names.items()):
        points = [(r["epoch"], r[f"{name}_{metric}"]) for r in rows if r["split"] == split]
        axes.plot(
            *zip(*points, strict=True),
            color=PALETTE[number % len(PALETTE)],
            linestyle=DASHES[number % len(DASHES)],
            linewidth=2,
            label=label,
        )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if log:
        axes.set_yscale("log")
    if "accuracy" in metric:
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    unit = "" if "accuracy" in metric else ", mean per example"
    tidy(axes, "epoch", f"{split} {metric}{unit}")
    return drawn
