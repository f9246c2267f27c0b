"""The figure: accuracy of the recurrent networks and of naive Bayes, fold by fold."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from dlfun.plots.style import INK, PALETTE, figure, percent, tidy


def by_fold(networks: Mapping[str, Sequence[float]], counted: Sequence[float]) -> Figure:
    """A point for each fold: naive Bayes's accuracy across, a network's up; means are crosses."""
    means = {name: float(np.mean(accuracies)) for name, accuracies in networks.items()}
    best = max(means, key=lambda name: means[name])
    title = f"{best} {percent(means[best], 1)}, naive Bayes {percent(float(np.mean(counted)), 1)}"
    detail = "accuracy on each fold, of models trained on the others; crosses are means"
    drawn = figure(7, 7, title, detail)
    axes = drawn.subplots()
    all_accuracies = [*counted]
    for (name, accuracies), colour in zip(networks.items(), PALETTE, strict=False):
        axes.scatter(
            counted, accuracies, color=colour, s=20, label=f"{name} {percent(means[name], 1)}"
        )
        axes.scatter(np.mean(counted), means[name], color=colour, marker="x", s=90)
        all_accuracies += accuracies
    low, high = min(all_accuracies) - 0.01, max(all_accuracies) + 0.01
    axes.plot([low, high], [low, high], color=INK, linestyle=":", label="equal")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0, 0, symbol=" %"))
    axes.set_aspect("equal")
    tidy(axes, "naive Bayes", "recurrent network")
    return drawn
