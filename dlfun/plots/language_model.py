"""Figures: the learning curve beside what counting gives, and texts written as the loss fell."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dlfun.plots.style import COLOURS, INK, SMALL, figure, plain, tidy

WIDTH, BEGINNING, LINE = 100, 4, 0.17
"""Characters of a line at most, lines of a beginning, and inches from one line to the next."""


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


def texts_by_loss(written: Sequence[tuple[int, float, str]], detail: str) -> Figure:
    """Texts sampled after several numbers of updates, each under the test loss at that point.

    `written` holds number, loss and text; of all texts but the last only the beginning is shown.
    """
    blocks = []
    for step, loss, text in written:
        lines = [part for line in text.splitlines() for part in textwrap.wrap(line, WIDTH) or [""]]
        last = step == written[-1][0]
        when = f"after {step:,} updates" if step else "untrained"
        blocks.append((f"{loss:.2f} nats, {when}", lines if last else lines[:BEGINNING]))
    rows = sum(len(lines) + 2 for _, lines in blocks)
    title = f"From {written[0][1]:.2f} to {written[-1][1]:.2f} nats a character"
    drawn = figure(8, 1.1 + LINE * rows, f"{title}: what the network writes", detail)
    axes = drawn.subplots()
    axes.axis("off")
    axes.set_ylim(rows, 0)
    row = 0
    for heading, lines in blocks:
        axes.text(0, row, heading, fontsize=SMALL + 1, fontweight="bold", va="top", color=INK)
        for number, line in enumerate(lines, row + 1):
            axes.text(0, number, plain(line), family="monospace", fontsize=SMALL, va="top")
        row += len(lines) + 2
    return drawn
