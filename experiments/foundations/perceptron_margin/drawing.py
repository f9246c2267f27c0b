"""A perceptron's mistakes against the margin of its examples."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from dlfun.plots.style import PALETTE, figure, tidy


def mistakes(found: Mapping[float, Sequence[int]], squared_radius: float) -> Figure:
    """Mistakes of several trainings at each margin γ, and the bound R²/γ² that none exceeds."""
    margins = np.array(sorted(found))
    most = max(n * margin**2 / squared_radius for margin, ns in found.items() for n in ns)
    drawn = figure(
        8, 5, "The wider the margin, the fewer mistakes: never more than (R/γ)²",
        f"each dot one random set; at most {most:.0%} of the bound is used".replace("%", " %"),
    )  # fmt: skip
    axes = drawn.subplots()
    axes.plot(margins, squared_radius / margins**2, color=PALETTE[1], linewidth=2,
              label="(R/γ)², Novikoff 1962")  # fmt: skip
    points = [(margin, count) for margin, counts in found.items() for count in counts]
    axes.scatter(*zip(*points, strict=True), color=PALETTE[0], label="mistakes until none is left")
    axes.set(xscale="log", yscale="log")
    axes.set_xticks(margins, [f"{margin:g}" for margin in margins], minor=False)
    axes.minorticks_off()
    tidy(axes, "margin γ, in units of the ball's radius", "mistakes")
    return drawn
