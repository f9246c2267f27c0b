"""Figure: forecasts of prices against prices, days, shifts and changes."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from dlfun.plots.style import INK, PALETTE, figure, percent, tidy

DAYS = 30
"""Days of the enlarged part."""


def why_it_seems_good(
    last: Float[np.ndarray, " n"],
    true: Float[np.ndarray, " n"],
    forecasts: Float[np.ndarray, " n"],
    shifts: Mapping[int, float],
) -> Figure:
    """All test days, some of them enlarged, RMSE against the shift, and changes of a day.

    Args:
        last: the close before each day.
        true: the close of each day.
        forecasts: the forecast of it.
        shifts: the RMSE between forecasts and the true closes k days before, by k.
    """
    nearest = min(shifts, key=lambda lag: shifts[lag])
    title = f"The forecast repeats the price of {nearest} day{'' if nearest == 1 else 's'} before"
    drawn = figure(12, 8, title)
    (prices, days), (errors, changes) = drawn.subplots(2, 2)
    for axes, shown in ((prices, slice(None)), (days, slice(-DAYS, None))):
        axes.plot(true[shown], color=INK, label="price")
        axes.plot(forecasts[shown], color=PALETTE[1], linestyle="--", label="forecast")
    share = percent(1 - np.square(forecasts - true).mean() / true.var(), 1)
    prices.set_title(f"It seems good: it explains {share} of the variance of prices")
    days.set_title("It is not: it follows the price by a day")
    tidy(prices, "test day", "price")
    tidy(days, f"last {DAYS} test days", "price")
    errors.plot(*zip(*shifts.items(), strict=True), marker="o", color=PALETTE[0])
    errors.axvline(0, color="#999999", linestyle=":")
    tidy(errors, "days by which the true price is shifted", "RMSE of the forecast", legend=False)
    change, forecast_change = true - last, forecasts - last
    explained = percent(1 - np.square(forecast_change - change).sum() / np.square(change).sum(), 1)
    changes.scatter(change, forecast_change, s=8, color=PALETTE[0])
    changes.axline((0, 0), slope=1, color="#999999", linestyle=":", label="a true forecast")
    changes.set_title(f"Of the variance of changes it explains {explained}")
    changes.set_aspect("equal", "datalim")
    tidy(changes, "change of the price", "forecast change")
    return drawn
