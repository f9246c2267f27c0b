"""Learning curves: each split's loss and accuracy against the epoch."""

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from dlfun.plots.style import COLOURS, INK, LABEL, figure, percent

LEGEND = {
    "train": "training, averaged over the epoch",
    "validation": "validation, at the epoch's end",
    "test": "test, at the epoch's end",
}
MARKERS = {"train": "o", "validation": "^", "test": "s"}


def epochs(count: float) -> str:
    """A number of epochs in words."""
    return f"{count:.3g} epoch{'' if count == 1 else 's'}"


def draw(subject: str, rows: Sequence[dict[str, Any]]) -> Figure:
    """A panel each for loss and accuracy, a line for each split."""
    last = {row["split"]: row for row in rows}
    final = last.get("test") or rows[-1]
    accuracy = "accuracy" in final
    figure_of = percent(final["accuracy"]) if accuracy else f"{final['loss']:.4g}"
    title = (
        f"{subject}: {figure_of} {final['split']} {'accuracy' if accuracy else 'loss'} "
        f"after {epochs(float(final['epoch']))}"
    )
    names = [name for name in ("loss", "accuracy") if any(name in row for row in rows)]
    drawn = figure(5.5 * len(names), 4.6, title)
    for axes, name in zip(drawn.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        for split in (split for split in LEGEND if split in last):
            points = [(r["epoch"], r[name]) for r in rows if r["split"] == split and name in r]
            axes.plot(
                *zip(*points, strict=True),
                color=COLOURS[split],
                marker=MARKERS[split] if len(points) <= 30 else None,
                label=LEGEND[split],
                linewidth=2,
            )
        axes.set_xlabel("epoch", fontsize=LABEL)
        axes.set_ylabel("loss, mean per example" if name == "loss" else "accuracy", fontsize=LABEL)
        if name == "accuracy":
            axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
        else:
            axes.set_ylim(0, 1.1 * max(r[name] for r in rows if name in r) or 1)
        if final["epoch"] == 1:
            axes.set_xlim(0.5, 1.5)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(color="#dddddd")
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=LABEL - 1, labelcolor=INK)
        axes.legend(frameon=False, fontsize=LABEL - 1)
    return drawn
