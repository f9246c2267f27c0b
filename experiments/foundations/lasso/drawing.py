"""Weights of linear models beside the true ones."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from dlfun.plots.style import LABEL, PALETTE, figure, tidy


def draw(truth: np.ndarray, found: Mapping[str, np.ndarray]) -> Figure:
    """A panel for each model: its weights as stems, the truth as circles."""
    zeros = {name: int((weights[truth == 0] == 0).sum()) for name, weights in found.items()}
    best = max(zeros, key=lambda name: zeros[name])
    drawn = figure(
        4 * len(found), 4.6, f"{best}: {zeros[best]} of {int((truth == 0).sum())} useless weights"
        " are exactly 0", "weights of the inputs that count come out smaller than they are",
    )  # fmt: skip
    panels = drawn.subplots(1, len(found), sharey=True)
    for number, (axes, (name, weights)) in enumerate(zip(panels, found.items(), strict=True)):
        where = np.arange(len(truth))
        axes.vlines(where, 0, weights, color=PALETTE[number], linewidth=2)
        axes.plot(where, weights, ".", color=PALETTE[number], label="found")
        axes.plot(where, truth, "o", markerfacecolor="none", color="#222222", label="true")
        axes.set_title(f"{name}: {zeros[name]} exact zeros", fontsize=LABEL)
        tidy(axes, "input", "weight" if number == 0 else "", legend=number == 0)
    return drawn
