"""Paths of descents on the contours of their surface."""

from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from dlfun.plots.style import LABEL, PALETTE, figure, tidy

from .surfaces import Surface


def draw(
    subject: str,
    surface: Surface,
    points: Mapping[str, np.ndarray],
    minimum: tuple[float, float],
    limits: tuple[float, float, float, float],
) -> Figure:
    """A panel for each path [steps + 1, 2]: start, way and end."""
    columns = 4
    rows = -(-len(points) // columns)
    steps = len(next(iter(points.values()))) - 1
    ends = {name: float(surface(jnp.asarray(path[-1]))) for name, path in points.items()}
    lowest, highest = min(ends, key=lambda n: ends[n]), max(ends, key=lambda n: ends[n])
    drawn = figure(
        3.4 * columns,
        3 * rows + 1,
        f"{subject}: after {steps} steps {lowest} is lowest, {highest} highest",
        "all from the same start; grey: contours of height",
    )
    left, right, low, high = limits
    x, y = np.meshgrid(np.linspace(left, right, 200), np.linspace(low, high, 200))
    height = np.asarray(surface(jnp.asarray(np.stack([x, y]), jnp.float32)))
    levels = np.geomspace(max(height.min(), 1e-2), height.max(), 12)
    panels = drawn.subplots(rows, columns, sharex=True, sharey=True)
    for number, (axes, (name, path)) in enumerate(zip(panels.flat, points.items(), strict=False)):
        axes.contour(x, y, height, levels=levels, colors="#bbbbbb", linewidths=0.8)
        axes.plot(*path.T, color=PALETTE[number % 8], linewidth=1.6, marker=".", markersize=3)
        axes.plot(*path[0], "s", color="#222222", label="start")
        axes.plot(*path[-1], "D", color=PALETTE[number % 8], markeredgecolor="#222222", label="end")
        axes.plot(*minimum, "*", color="#222222", markersize=13, label="minimum")
        axes.set_title(f"{name}: height {ends[name]:.1e}", fontsize=LABEL)
        tidy(axes, "x" if number >= len(points) - columns else "", "y" if number % columns == 0
             else "", legend=False)  # fmt: skip
        axes.set(xlim=(left, right), ylim=(low, high))
    for empty in panels.flat[len(points) :]:
        empty.set_axis_off()
    handles, labels = panels.flat[0].get_legend_handles_labels()
    drawn.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    return drawn
