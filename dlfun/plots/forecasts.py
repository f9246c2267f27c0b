"""Forecasts of a series beside what happened, and the errors of the methods."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from dlfun.plots.style import INK, PALETTE, figure, tidy

STEPS = 60
"""The last steps that are drawn."""


def forecasts(
    title: str,
    true: Float[np.ndarray, " n"],
    predictions: Mapping[str, Float[np.ndarray, " n"]],
    errors: Mapping[str, float],
    quantity: str,
    error: str,
) -> Figure:
    """The last steps of a series with the forecast of each method, and a bar for each error."""
    drawn = figure(12, 4.6, title)
    lines, bars = drawn.subplots(1, 2, width_ratios=(2, 1))
    lines.plot(true[-STEPS:], color=INK, linewidth=2.5, label="what happened")
    for (name, values), colour in zip(predictions.items(), PALETTE, strict=False):
        lines.plot(values[-STEPS:], color=colour, linewidth=1.5, label=name.replace("_", " "))
    tidy(lines, f"last {min(STEPS, len(true))} steps of the test split", quantity)
    names = [name.replace("_", " ") for name in errors]
    colours = [
        PALETTE[list(predictions).index(name)] if name in predictions else "#999999"
        for name in errors
    ]
    bars.barh(names, list(errors.values()), color=colours)
    for row, value in enumerate(errors.values()):
        bars.text(value, row, f" {value:,.4g}" if value < 1000 else f" {value:,.0f}", va="center")
    bars.set_xlim(0, 1.25 * max(errors.values()))
    bars.invert_yaxis()
    tidy(bars, error, "", legend=False)
    return drawn
