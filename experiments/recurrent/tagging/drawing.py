"""The figure: the accuracy of each tag."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from dlfun.plots.style import INK, figure, tidy


def by_tag(
    tags: Sequence[str], accuracies: Sequence[float], accuracy: float, counted: float
) -> Figure:
    """A bar for each tag, the most accurate on top, and a line for the most frequent tags."""
    title = (
        f"{100 * accuracy:.1f} % of words are tagged right, "
        f"{100 * counted:.1f} % by their most frequent tag"
    )
    drawn = figure(8, 1 + 0.3 * len(tags), title, "share of the words of each tag")
    axes = drawn.subplots()
    order = np.argsort(np.nan_to_num(accuracies))
    axes.barh([tags[i] for i in order], np.array(accuracies)[order], color=INK, alpha=0.6)
    axes.axvline(counted, color=INK, linestyle=":", label="most frequent tag, all words")
    tidy(axes, "accuracy", "")
    return drawn
