"""Figures of a map of digits."""

import math

import numpy as np
from jaxtyping import Int
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from dlfun.algorithms.self_organizing_map import Grid
from dlfun.experiment import Trained
from dlfun.plots import maps
from dlfun.plots.style import LABEL, truncate

COLOURS = np.array(
    [
        (0.00, 0.45, 0.70), (0.84, 0.37, 0.00), (0.00, 0.62, 0.45), (0.90, 0.62, 0.00),
        (0.80, 0.47, 0.65), (0.34, 0.71, 0.91), (0.13, 0.13, 0.13), (0.55, 0.42, 0.19),
        (0.47, 0.20, 0.60), (0.60, 0.60, 0.60),
    ]
)  # fmt: skip
"""A colour for each digit, from `dlfun.plots.style.PALETTE` and two more."""
Counts = Int[np.ndarray, "units classes"]


def class_colours(classes: int) -> np.ndarray:
    """A colour for each class, repeated where there are more than ten."""
    return COLOURS[np.arange(classes) % len(COLOURS)]


def add_legend(drawn: Figure, classes: tuple[str, ...]) -> None:
    """The classes and their colours, below a figure."""
    patches = [
        Patch(color=colour, label=truncate(name))
        for name, colour in zip(classes, class_colours(len(classes)), strict=True)
    ]
    drawn.legend(
        handles=patches, loc="outside lower center", ncols=10, frameon=False, fontsize=LABEL
    )


def digits(trained: Trained, grid: Grid, won: Counts) -> Figure:
    """The units' weights as images, in the colour of the class that each wins most often."""
    shape = trained.dataset.splits["train"]["image"].shape[1:]
    images = np.asarray(trained.state["map"].weights).reshape(-1, *shape).mean(axis=-1)
    colours = class_colours(won.shape[1])[won.argmax(axis=1)]
    drawn = maps.prototypes(
        "Without a label, digits of one kind find one region of the map",
        "the units' weights, in the colour of the digit that each wins most often in the test set",
        grid, images, colours,
    )  # fmt: skip
    add_legend(drawn, trained.dataset.classes)
    return drawn


def digit_hits(trained: Trained, grid: Grid, won: Counts) -> Figure:
    """A map for each of the first ten classes: the number of its test images at each unit."""
    classes = trained.dataset.classes[:10]
    return maps.many(
        "Where the digits fall",
        "test images of each digit of which a unit is the winner; darker, more",
        [(name, grid, won[:, number]) for number, name in enumerate(classes)],
    )


def u_matrix(trained: Trained, grid: Grid, won: Counts) -> Figure:
    """The U-matrix, beside the number of test images of which each unit is the winner."""
    weights = np.asarray(trained.state["map"].weights)
    return maps.unified_and_hits(
        "Ridges of the U-matrix part regions of similar digits", grid, weights, won.sum(axis=1)
    )


def component_planes(trained: Trained, grid: Grid, count: int) -> Figure:
    """Component planes of the pixels that vary most over the units, none near another.

    Pixels of several channels are their means.
    """
    _, width, channels = trained.dataset.splits["train"]["image"].shape[1:]
    weights = np.asarray(trained.state["map"].weights)
    weights = weights.reshape(len(weights), -1, channels).mean(axis=2)
    chosen: list[int] = []
    for pixel in weights.std(axis=0).argsort()[::-1]:
        row, column = divmod(int(pixel), width)
        away = [max(abs(row - p // width), abs(column - p % width)) for p in chosen]
        if len(chosen) < count and min(away, default=math.inf) > 4:
            chosen.append(int(pixel))
    planes = [(f"row {p // width}, column {p % width}", weights[:, p]) for p in chosen]
    return maps.components("The pixels that vary most over the map", grid, planes)
