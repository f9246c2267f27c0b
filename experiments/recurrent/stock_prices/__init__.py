"""A forecast of tomorrow's stock price looks good because it repeats today's price.

Figure: RMSE within 2 % of that of "tomorrow = today", 25.76 (measured: within 0.1 %)
Time: 10 s on 1 CPU core
Command: python launch.py train stock_prices

A recurrent network reads the logarithmic returns of the S&P 500 over the last 20 trading days and
forecasts the next: 2000 to 2015 for training, 2018 and 2019 for test [T5]. Its forecast of the
price, the last close times the exponential of that return, explains 97 % of the variance of prices.
So does "tomorrow = today", whose error it has to within 2 %: of all shifts of the true prices, the
forecast is nearest to that by one day, and of the variance of daily changes it explains nothing.
`--dataset csv:PATH:COLUMN` forecasts positive prices of a file of one's own.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import jax.numpy as jnp
import numpy as np
from annotated_types import Ge
from jaxtyping import Array, Float

from dlfun.algorithms import forecast
from dlfun.config import BatchSize, Epochs, Seed
from dlfun.data import series, sp500
from dlfun.data.dataset import Dataset
from dlfun.errors import UserError
from dlfun.experiment import Claim, Inputs, Quick, Trained
from dlfun.learner import Batch, Key, Learner, State
from dlfun.nn.models.forecaster import Forecaster, units
from dlfun.optimizers import Optimizer, Schedule, make_optimizer
from dlfun.train.prediction import predict_columns

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SOURCE = "persistence on the same data"
FORMULA = r"""
r_t = \ln \frac{p_t}{p_{t-1}}, \quad \hat{p}_{t+1} = p_t \, e^{\hat{r}_{t+1}}, \quad R^2 = 1 -
\frac{\sum_t (p_t - \hat{p}_t)^2}{\sum_t (p_t - \bar{p})^2}
"""
CLAIMS = [
    Claim("test/rmse_ratio", SOURCE, at_least=0.98, at_most=1.02),
    Claim("test/lag", SOURCE, at_least=1, at_most=1),
    Claim("test/price_r2", "why it seems good", at_least=0.95),
    Claim("test/change_r2", "why it is not", at_most=0.02),
]
QUICK = Quick({"epochs": 1, "hidden": 8, "length": 5}, CLAIMS)
LAGS = range(-2, 6)
"""Shifts of the true prices, in days, that a forecast is compared with."""


@dataclass(frozen=True)
class Config:
    """A forecast of the next close."""

    cell: Literal["rnn", "lstm", "gru"] = "gru"
    """Recurrent cell."""
    hidden: Annotated[int, Ge(1)] = 16
    """Units of the recurrent layer."""
    length: Annotated[int, Ge(1)] = 20
    """Returns that a forecast reads."""
    epochs: Epochs = 5
    batch_size: BatchSize = 64
    optimizer: Optimizer = Optimizer(learning_rate=1e-3, schedule=Schedule("cosine", 0.0))
    """Optimizer."""
    dataset: str = sp500.NAME
    """The prices: sp500, or csv:PATH:COLUMN."""
    seed: Seed = 0


def data(config: Config) -> Dataset:
    """Windows "x" of returns, the return "y" after each, and the "close" before and after it."""
    prices = series.load(config.dataset, sp500.SOURCE)
    if (prices.values <= 0).any():
        raise UserError(f"{prices.name}: prices must be positive, and one is {prices.values.min()}")
    windows = series.forecasts(prices, config.length + 1).splits
    return Dataset(prices.name, {split: returns(columns) for split, columns in windows.items()})


def returns(windows: Mapping[str, Any]) -> dict[str, Any]:
    """Windows of logarithmic returns from windows of prices that are one day longer."""
    prices, after = windows["x"][..., :1], windows["y"]
    last = prices[:, -1, 0]
    columns = {"x": np.diff(np.log(prices), axis=1), "y": np.log(after / last)}
    return columns | {"close": last, "next": after}


def learner(config: Config, dataset: Dataset) -> Learner:
    """A network from returns to the next return, which predicts the next price."""
    train, steps = dataset.splits["train"], dataset.steps_per_epoch(config.batch_size)
    model = Forecaster(units(train["x"], train["y"]), 1, config.cell, config.hidden)
    optimizer = make_optimizer(config.optimizer, steps, config.epochs)
    learner = forecast.forecaster(model, optimizer)
    next_return = learner.predict
    assert next_return is not None

    def predict(state: State, batch: Batch) -> Array:
        return batch["close"] * jnp.exp(next_return(state, batch))

    return learner._replace(predict=predict)


def shifted_errors(
    forecasts: Float[np.ndarray, " n"], true: Float[np.ndarray, " n"]
) -> dict[int, float]:
    """RMSE between the forecast of each day and the true price k days before it, by k."""
    days = np.arange(LAGS[-1], len(true) + LAGS[0])
    return {lag: forecast.rmse(forecasts[days], true[days - lag]) for lag in LAGS}


def measure(trained: Trained, key: Key) -> dict[str, float]:
    """Errors beside those of simple forecasts; shares of variance explained; the nearest shift."""
    train, test = (trained.dataset.splits[split] for split in ("train", "test"))
    true, last = test["next"], test["close"]
    forecasts = predict_columns(trained.learner, trained.state, test)
    linear = last * np.exp(forecast.autoregression(train, test, trained.config.length))
    error, same = forecast.rmse(forecasts, true), forecast.rmse(last, true)
    shifts = shifted_errors(forecasts, true)
    changes = float(np.sqrt(np.mean(np.square(true - last))))
    return {
        "test/rmse": error,
        "test/persistence_rmse": same,
        "test/autoregression_rmse": forecast.rmse(linear, true),
        "test/rmse_ratio": error / same,
        "test/price_r2": 1 - error**2 / float(true.var()),
        "test/change_r2": 1 - (error / changes) ** 2,
        "test/lag": min(shifts, key=lambda lag: shifts[lag]),
    }


def inputs(trained: Trained, items: Sequence[str]) -> Inputs:
    """Every window of CSV files that have the column of the prices."""
    config = trained.config
    length = config.length + 1
    names, x = series.windows_of_files(config.dataset, sp500.SOURCE, items, length)
    if (x <= 0).any():
        raise UserError(f"prices must be positive, and one is {x.min()}")
    read = returns({"x": x, "y": x[:, -1, 0]})  # What follows is not known.
    return Inputs(names, {"x": read["x"], "close": read["close"]})


def outputs(
    trained: Trained, names: Sequence[str], predictions: np.ndarray
) -> Iterator[dict[str, float]]:
    """The forecast of the price after each window."""
    yield from ({"price": float(price)} for price in predictions)


def figures(trained: Trained, rows: list[dict[str, Any]]) -> Iterator[tuple[str, "Figure"]]:
    """Prices and forecasts as they are usually shown, and what that hides."""
    from .drawing import why_it_seems_good

    test = trained.dataset.splits["test"]
    forecasts = predict_columns(trained.learner, trained.state, test)
    shifts = shifted_errors(forecasts, test["next"])
    yield "lag", why_it_seems_good(test["close"], test["next"], forecasts, shifts)
