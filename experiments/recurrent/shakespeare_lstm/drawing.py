"""Figures: the learning curve beside what counting gives, and a page of text."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dlfun.plots.style import COLOURS, INK, SMALL, figure, plain, tidy


def learning_curve(rows: Sequence[dict[str, Any]], counted: Mapping[str, float]) -> Figure:
    """Loss of each split against the epoch, with a line for each count model."""
    last = {row["split"]: row for row in rows}
    title = f"{last['test']['loss']:.3f} nats a character, by counting {min(counted.values()):.3f}"
    drawn = figure(8, 5, title)
    axes = drawn.subplots()
    for split in last:
        points = [(row["epoch"], row["loss"]) for row in rows if row["split"] == split]
        axes.plot(*zip(*points, strict=True), color=COLOURS[split], label=split, marker="o")
    for (name, loss), dash in zip(counted.items(), ("--", ":"), strict=False):
        axes.axhline(loss, color=INK, linestyle=dash, label=f"counts of {name}, test")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    tidy(axes, "epoch", "loss, nats per character")
    return drawn


def page(text: str, detail: str) -> Figure:
    """A text as it was written."""
    lines = text.splitlines()
    drawn = figure(8, 1.2 + 0.19 * len(lines), "What the network writes", detail)
    axes = drawn.subplots()
    axes.axis("off")
    axes.text(0, 1, plain(text), family="monospace", fontsize=SMALL + 1, va="top", color=INK)
    return drawn
