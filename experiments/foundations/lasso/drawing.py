"""Weights of linear models beside the true ones."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from dlfun.plots.style import LABEL, PALETTE, figure, tidy


def weights(truth: np.ndarray, estimates: Mapping[str, np.ndarray]) -> Figure:
    """A panel for each model: its weights as stems, the truth as circles."""
    zeros = {name: int((w[truth == 0] == 0).sum()) for name, w in estimates.items()}
    best = max(zeros, key=lambda name: zeros[name])
    drawn = figure(
        4 * len(estimates), 4.6, f"{best}: {zeros[best]} of {int((truth == 0).sum())} useless"
        " weights are exactly 0", "the penalty makes the useful weights smaller than they are",
    )  # fmt: skip
    panels = drawn.subplots(1, len(estimates), sharey=True)
    for number, (axes, (name, w)) in enumerate(zip(panels, estimates.items(), strict=True)):
        inputs = np.arange(len(truth))
        axes.vlines(inputs, 0, w, color=PALETTE[number], linewidth=2)
        axes.plot(inputs, w, ".", color=PALETTE[number], label="estimate")
        axes.plot(inputs, truth, "o", markerfacecolor="none", color="#222222", label="true")
        axes.set_title(f"{name}: {zeros[name]} exact zeros", fontsize=LABEL)
        tidy(axes, "input", "weight" if number == 0 else "", legend=number == 0)
    return drawn
