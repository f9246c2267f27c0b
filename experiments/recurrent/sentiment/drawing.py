"""The figure: accuracy of the recurrent network and of naive Bayes, fold by fold."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from dlfun.plots.style import INK, figure, tidy


def by_fold(network: Sequence[float], counted: Sequence[float], cell: str) -> Figure:
    """A point for each fold: naive Bayes's accuracy across, the network's up; means are crosses."""
    title = f"{cell.upper()} {np.mean(network):.1%}, naive Bayes {np.mean(counted):.1%}"
    drawn = figure(6, 6, title, "accuracy on each fold, of models trained on the others")
    axes = drawn.subplots()
    axes.scatter(counted, network, color=INK, s=20)
    axes.scatter(np.mean(counted), np.mean(network), color=INK, marker="x", s=90, label="mean")
    low = min(*network, *counted) - 0.01
    high = max(*network, *counted) + 0.01
    axes.plot([low, high], [low, high], color=INK, linestyle=":", label="equal")
    axes.set_aspect("equal")
    tidy(axes, "naive Bayes", "recurrent network")
    return drawn
