"""Learning curves: the loss and the objective of each split against the epoch."""

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from dlfun.experiment import Objective
from dlfun.plots.style import COLOURS, figure, percent, tidy

LEGEND = {
    "train": "training, averaged over the epoch",
    "validation": "validation, at the epoch's end",
    "test": "test, at the epoch's end",
}
MARKERS = {"train": "o", "validation": "^", "test": "s"}


def epochs(count: float) -> str:
    """A number of epochs in words."""
    return f"{count:.3g} epoch{'' if count == 1 else 's'}"


def learning_curves(subject: str, rows: Sequence[dict[str, Any]], objective: Objective) -> Figure:
    """A panel each for the loss and the objective's metric, a line for each split."""
    metric = objective.metric
    last = {row["split"]: row for row in rows}
    final = last.get("test") or rows[-1]
    names = [name for name in dict.fromkeys(("loss", metric)) if any(name in row for row in rows)]
    name = metric if metric in final else names[0]
    value = percent(final[name]) if _is_share(name) else f"{final[name]:.4g}"
    words = f"{value} {final['split']} {name.replace('_', ' ')}"
    title = f"{subject}: {words} after {epochs(float(final['epoch']))}"
    drawn = figure(5.5 * len(names), 4.6, title)
    for axes, name in zip(drawn.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        for split in (split for split in LEGEND if split in last):
            points = [(r["epoch"], r[name]) for r in rows if r["split"] == split and name in r]
            if not points:
                continue
            axes.plot(
                *zip(*points, strict=True),
                color=COLOURS[split],
                marker=MARKERS[split] if len(points) <= 30 else None,
                label=LEGEND[split],
                linewidth=2,
            )
        if _is_share(name):
            axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
        elif name == "loss" and all(row.get(name, 0) >= 0 for row in rows):
            axes.set_ylim(0, 1.1 * max(row[name] for row in rows if name in row) or 1)
        if final["epoch"] == 1:
            axes.set_xlim(0.5, 1.5)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        label = "loss, mean per example" if name == "loss" else name.replace("_", " ")
        tidy(axes, "epoch", label)
    return drawn


def _is_share(metric: str) -> bool:
    return "accuracy" in metric
