"""A perceptron's mistakes against the margin of its examples."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from dlfun.plots.style import PALETTE, figure, tidy


def mistakes_by_margin(counts: Mapping[float, Sequence[int]], squared_radius: float) -> Figure:
    """Mistakes of several trainings at each margin γ, and the bound R²/γ² that none exceeds."""
    margins = np.array(sorted(counts))
    points = [(margin, count) for margin, row in counts.items() for count in row]
    most = max(count * margin**2 / squared_radius for margin, count in points)
    drawn = figure(
        8, 5, "The wider the margin, the fewer mistakes: never more than (R/γ)²",
        f"each dot one random set; at most {most:.0%} of the bound is used".replace("%", " %"),
    )  # fmt: skip
    axes = drawn.subplots()
    axes.plot(margins, squared_radius / margins**2, color=PALETTE[1], linewidth=2,
              label="(R/γ)², Novikoff 1962")  # fmt: skip
    axes.scatter(*zip(*points, strict=True), color=PALETTE[0], label="mistakes of a training")
    axes.set(xscale="log", yscale="log")
    axes.set_xticks(margins, [f"{margin:g}" for margin in margins], minor=False)
    axes.minorticks_off()
    tidy(axes, "margin γ, in units of the ball's radius", "mistakes")
    return drawn
