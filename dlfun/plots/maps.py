"""Self-organizing maps: units as squares or hexagons, coloured by their weights or numbers."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Real
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from dlfun.algorithms.self_organizing_map import Grid, unified_distances
from dlfun.plots.style import INK, LABEL, figure

Map = tuple[str, Grid, np.ndarray]
"""A title, a grid, and numbers or weights of its units."""
PANEL = 3.4
"""Width and height of a map, in inches."""


def draw_units(
    axes: Axes,
    grid: Grid,
    title: str,
    values: Real[np.ndarray, "units *rgb"],
    cmap: str = "viridis",
) -> PolyCollection:
    """Cells of a grid, coloured by a number or a colour each."""
    positions = grid.positions()
    sides = 4 if grid.topology == "rectangular" else 6
    angle = 2 * np.pi * (np.arange(sides) + 0.5) / sides
    radius = 0.5 / np.cos(np.pi / sides)
    corners = radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    cells = PolyCollection(
        positions[:, None] + corners, cmap=cmap, edgecolors="face", linewidths=0.2
    )
    if values.ndim == 2:
        cells.set_facecolor([tuple(colour) for colour in values.clip(0, 1).tolist()])
    else:
        cells.set_array(values)
    axes.add_collection(cells)
    low, high = positions.min(axis=0) - 0.7, positions.max(axis=0) + 0.7
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal")
    axes.axis("off")
    axes.set_title(title, fontsize=LABEL, color=INK)
    return cells


def coloured(title: str, detail: str, shown: Sequence[Map]) -> Figure:
    """Maps whose weights are colours, side by side."""
    drawn = figure(PANEL * len(shown), PANEL + 1.1, title, detail)
    for axes, (name, grid, weights) in zip(_row(drawn, len(shown)), shown, strict=True):
        draw_units(axes, grid, name, weights)
    return drawn


def unified(title: str, shown: Sequence[Map]) -> Figure:
    """U-matrices of maps, whose weights are given."""
    detail = "mean distance of a unit's weights from those of the units that it touches"
    values = [(name, grid, unified_distances(grid, weights)) for name, grid, weights in shown]
    return _numbers(title, detail, values, "magma_r", "distance")


def components(title: str, grid: Grid, planes: Sequence[tuple[str, np.ndarray]]) -> Figure:
    """A panel for each component of the units' weights."""
    values = [(name, grid, plane) for name, plane in planes]
    return _numbers(title, "a component of the units' weights in each panel", values, "viridis", "")


def hits(title: str, shown: Sequence[Map]) -> Figure:
    """Numbers of examples of which each unit is the winner."""
    detail = "test examples of which each unit is the winner"
    return _numbers(title, detail, shown, "Blues", "examples")


def _numbers(title: str, detail: str, shown: Sequence[Map], cmap: str, label: str) -> Figure:
    drawn = figure(max(8.5, (PANEL + 0.7) * len(shown)), PANEL + 1.1, title, detail)
    for axes, (name, grid, values) in zip(_row(drawn, len(shown)), shown, strict=True):
        cells = draw_units(axes, grid, name, values, cmap)
        drawn.colorbar(cells, ax=axes, fraction=0.045, pad=0.02, label=label)
    return drawn


def _row(drawn: Figure, count: int) -> list[Axes]:
    return list(drawn.subplots(1, count, squeeze=False)[0])


def prototypes(
    title: str,
    detail: str,
    grid: Grid,
    images: Float[np.ndarray, "units height width"],
    colours: Float[np.ndarray, "units rgb"],
) -> Figure:
    """The units' weights as images in [0, 1] at their positions, each tinted by a colour."""
    positions = grid.positions()
    span = np.ptp(positions, axis=0) + 1
    drawn = figure(9, 9 * span[1] / span[0] + 0.9, title, detail)
    axes = drawn.subplots()
    for position, image, colour in zip(positions, images, colours, strict=True):
        # Ink in the colour on white.
        tinted = 1 - image.clip(0, 1)[..., None] * (1 - colour)
        x, y = position
        axes.imshow(tinted, extent=(x - 0.48, x + 0.48, y - 0.42, y + 0.42), aspect="auto")
    low, high = positions.min(axis=0) - 0.6, positions.max(axis=0) + 0.6
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal")
    axes.axis("off")
    return drawn


def unified_and_hits(
    title: str,
    grid: Grid,
    weights: Float[np.ndarray, "units features"],
    counts: Real[np.ndarray, " units"],
) -> Figure:
    """The U-matrix of a map beside the numbers of examples of which each unit is the winner."""
    drawn = figure(10.5, 5.3, title)
    left, right = drawn.subplots(1, 2)
    distances = unified_distances(grid, weights)
    cells = draw_units(left, grid, "distance from the units beside it", distances, "magma_r")
    drawn.colorbar(cells, ax=left, fraction=0.045, pad=0.02)
    cells = draw_units(right, grid, "test examples won", counts, "Blues")
    drawn.colorbar(cells, ax=right, fraction=0.045, pad=0.02)
    return drawn


def many(title: str, detail: str, shown: Sequence[Map]) -> Figure:
    """Small maps of counts in rows of five, without scales."""
    rows = -(-len(shown) // 5)
    drawn = figure(11, 2.3 * rows + 0.9, title, detail)
    panels = drawn.subplots(rows, 5, squeeze=False).ravel()
    for axes in panels[len(shown) :]:
        axes.axis("off")
    for axes, (name, grid, values) in zip(panels[: len(shown)], shown, strict=True):
        draw_units(axes, grid, name, values, "Blues")
    return drawn
