"""Comparisons of learners: a metric of each against the epoch, or their generalization gaps."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from dlfun.plots.style import COLOURS, PALETTE, figure, tidy

DASHES = ("-", "--", "-.", ":")


def metric_by_epoch(
    title: str,
    rows: Sequence[dict[str, Any]],
    labels: Mapping[str, str],
    metric: str = "loss",
    split: str = "test",
    detail: str = "",
    log: bool = False,
) -> Figure:
    """A line for each learner: `labels` maps the learner's name to its label in the legend."""
    drawn = figure(8, 5, title, detail)
    axes = drawn.subplots()
    for number, (name, label) in enumerate(labels.items()):
        points = [(r["epoch"], r[f"{name}_{metric}"]) for r in rows if r["split"] == split]
        axes.plot(
            *zip(*points, strict=True),
            color=PALETTE[number % len(PALETTE)],
            linestyle=DASHES[number % len(DASHES)],
            linewidth=2,
            label=label,
        )
    if log:
        axes.set_yscale("log")
    if "accuracy" in metric:
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    unit = "" if "accuracy" in metric else ", mean per example"
    tidy(axes, "epoch", f"{split} {metric.replace('_', ' ')}{unit}")
    return drawn


def generalization_gap(rows: Sequence[dict[str, Any]], names: Sequence[str]) -> Figure:
    """Bars of the last loss of each learner on the training set and on the test set."""
    last = {row["split"]: row for row in rows}
    test, gap = (np.array([last["test"][f"{n}_{m}"] for n in names]) for m in ("loss", "gap"))
    training = test - gap
    narrowed = dict(zip(names, 1 - gap / gap[0], strict=True))
    best = max(names, key=lambda name: narrowed[name])
    drawn = figure(
        8.5, 5, f"From training to test: {best.replace('_', ' ')} narrows the gap most,"
        f" by {100 * narrowed[best]:.0f} %", "loss after the last epoch",
    )  # fmt: skip
    axes, positions = drawn.subplots(), np.arange(len(names))
    axes.bar(positions - 0.2, training, 0.4, color=COLOURS["train"], label="training set")
    axes.bar(positions + 0.2, test, 0.4, color=COLOURS["test"], label="test set")
    for x, name in enumerate(names):
        accuracy = 100 * last["test"][f"{name}_accuracy"]
        text = f"gap {gap[x]:.3f}\naccuracy {accuracy:.1f} %"
        axes.annotate(text, (x, test[x]), (0, 4), textcoords="offset points", ha="center")
    axes.set_xticks(positions, [name.replace("_", " ") for name in names])
    axes.set_ylim(0, 1.4 * test.max())
    tidy(axes, "", "loss, mean per example")
    return drawn
