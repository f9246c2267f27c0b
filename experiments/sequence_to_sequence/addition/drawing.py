"""The figure: the share of answers that are right, against the epoch."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from dlfun.plots.style import PALETTE, figure, percent, tidy

PRINTED = {1: 0.4116, 5: 0.7436, 8: 0.9228, 10: 0.9774, 14: 0.9970, 15: 0.9902}
"""Share of characters that Keras's example prints after some epochs."""


def shares_right(rows: Sequence[dict[str, Any]], printed: Mapping[int, float]) -> Figure:
    """Characters and whole answers of the test set that are right, and the printed characters."""
    test = [row for row in rows if row["split"] == "test"]
    title = f"{percent(test[-1]['accuracy'])} of the characters of sums are right"
    drawn = figure(8, 5, title, f"{percent(test[-1]['exact_accuracy'])} of whole answers")
    axes, epochs = drawn.subplots(), [row["epoch"] for row in test]
    axes.plot(epochs, [row["accuracy"] for row in test], color=PALETTE[0], label="characters")
    whole = [row["exact_accuracy"] for row in test]
    axes.plot(epochs, whole, color=PALETTE[1], linestyle="--", label="whole answers")
    if printed:
        points = zip(*printed.items(), strict=True)
        axes.plot(*points, "o", color=PALETTE[2], label="Keras, characters")
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    tidy(axes, "epoch", "share of the test set")
    return drawn
