"""Activations and their derivatives."""

from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from dlfun.nn.activations import Activation
from dlfun.plots.style import LABEL, PALETTE, figure, tidy


def draw(activations: Mapping[str, Activation]) -> Figure:
    """A panel for each, with its formula."""
    drawn = figure(
        3.1 * len(activations), 4.4, "Where an activation is flat, no gradient comes through",
        "shaded: derivative below 0.05",
    )  # fmt: skip
    x = np.linspace(-6, 6, 601, dtype=np.float32)
    panels = drawn.subplots(1, len(activations), sharex=True, sharey=True)
    for axes, (name, each) in zip(panels, activations.items(), strict=True):
        y = each.function(jnp.asarray(x))
        slope = np.asarray(each.derivative(jnp.asarray(x), y))
        axes.plot(x, y, color=PALETTE[0], linewidth=2.5, label="value")
        axes.plot(x, slope, color=PALETTE[1], linewidth=2, linestyle="--", label="derivative")
        axes.fill_between(x, -1.6, 3, where=slope < 0.05, color="#222222", alpha=0.08, linewidth=0)
        axes.set_title(f"{name.replace('_', ' ')}\n{each.formula}", fontsize=LABEL)
        tidy(axes, "x", "value, derivative" if axes is panels[0] else "", legend=False)
        axes.set(ylim=(-1.6, 3), xticks=(-6, -3, 0, 3, 6))
    drawn.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center",
                 ncols=2, frameon=False)  # fmt: skip
    return drawn
