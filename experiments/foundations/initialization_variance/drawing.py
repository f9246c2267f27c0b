"""The variance of activations and of gradients from layer to layer of a deep network."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from dlfun.plots.style import INK, LABEL, PALETTE, figure, tidy

ROWS = {
    "forward": ("activations: variance\n(first layer = 1)", 0, 10),
    "backward": ("gradients: variance\n(last layer = 1)", -1, 20),
}
NAMES = {"uniform": "uniform ±1/√F", "glorot": "Glorot", "he": "He", "relu": "ReLU"}
MARKERS = "os^D"


def variance_by_layer(
    title: str,
    detail: str,
    profiles: Mapping[str, float | list[float]],
    schemes: Sequence[str],
    activations: Sequence[str],
) -> Figure:
    """A column for each activation, activations above gradients, a line for each scheme.

    `profiles` are the metrics of `propagation`: log₁₀ of the variance in each layer.
    """
    drawn = figure(4.3 * len(activations), 7.4, title, detail)
    grid = drawn.subplots(2, len(activations), sharex=True, sharey="row", squeeze=False)
    for row, (direction, (words, start, step)) in zip(grid, ROWS.items(), strict=True):
        for axes, activation in zip(row, activations, strict=True):
            for number, scheme in enumerate(schemes):
                decades = np.asarray(profiles[f"{scheme}_{activation}_{direction}"])
                axes.plot(
                    range(1, len(decades) + 1),
                    10.0 ** (decades - decades[start]),
                    color=PALETTE[number],
                    marker=MARKERS[number],
                    markevery=(number, 6),
                    linewidth=2,
                    label=NAMES.get(scheme, scheme),
                )
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(10.0**step))
            tidy(axes, "", "", legend=False)
            if direction == "forward":
                axes.set_title(NAMES.get(activation, activation), fontsize=LABEL + 1, color=INK)
        row[0].set_ylabel(words, fontsize=LABEL)
    for axes in grid[-1]:
        axes.set_xlabel("layer", fontsize=LABEL)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    drawn.legend(
        handles, labels, loc="outside lower center", ncols=len(schemes), frameon=False, fontsize=13
    )
    return drawn
