"""The figure: accuracy while a network of characters is trained, and of naive Bayes."""

from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from dlfun.plots.style import COLOURS, INK, figure, percent, tidy


def learning_curve(rows: list[dict[str, Any]], bayes: float) -> Figure:
    """Accuracy of each split against the epoch, and a line at naive Bayes's."""
    tested = [row["accuracy"] for row in rows if row["split"] == "test"]
    drawn = figure(
        8, 5, f"From characters {percent(tested[-1], 1)}, naive Bayes {percent(bayes, 1)}",
        "accuracy of the network against the epoch; naive Bayes counts words",
    )  # fmt: skip
    axes = drawn.subplots()
    for split in dict.fromkeys(row["split"] for row in rows):
        points = [(r["epoch"], r["accuracy"]) for r in rows if r["split"] == split]
        axes.plot(*zip(*points, strict=True), "o-", color=COLOURS[split], label=split, linewidth=2)
    axes.axhline(bayes, color=INK, linestyle=":", label="naive Bayes")
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    tidy(axes, "epoch", "accuracy")
    return drawn
