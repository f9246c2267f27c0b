"""The figure: accuracy of each method on each set."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from dlfun.plots.style import PALETTE, figure, percent, tidy

from .sets import SETS

LABELS = {"one_hot": "logistic regression, one-hot", "counted": "logistic regression, counted"}


def by_set(accuracies: Mapping[str, Mapping[str, float]], folds: int) -> Figure:
    """Bars of accuracies by set, then method."""
    best = {name: max(of.values()) for name, of in accuracies.items()}
    summary = ", ".join(f"{name.upper()} {percent(share, 1)}" for name, share in best.items())
    drawn = figure(
        8.5, 5, f"What words alone tell: {summary}",
        f"accuracy of the best method in the title; {folds} folds, and TREC's test set",
    )  # fmt: skip
    axes, width = drawn.subplots(), 0.27
    for index, way in enumerate(next(iter(accuracies.values()))):
        shares = [of[way] for of in accuracies.values()]
        at = np.arange(len(shares)) + width * (index - 1)
        bars = axes.bar(at, shares, 0.95 * width, color=PALETTE[index], label=LABELS.get(way, way))
        axes.bar_label(bars, [percent(share, 1) for share in shares], fontsize=9)
    axes.set_xticks(range(len(SETS)), [*SETS.values()])
    axes.set_ylim(min(0.5, *(share for of in accuracies.values() for share in of.values())), 1.02)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    tidy(axes, "", "accuracy", legend=False)
    axes.legend(frameon=False, loc="upper right", ncols=3, fontsize=9)
    return drawn
