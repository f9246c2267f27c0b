"""A recurrent network forecasts tomorrow's lowest temperature; the day of the year helps it.

Figure: RMSE ≤ 2.24 °C, with the day of the year ≤ 2.18 (measured: 2.20 and 2.15)
Time: 10 s on 1 CPU core
Command: python launch.py train temperature

It reads the last days of Melbourne's daily minimum temperature, trained on 1981 to 1987 and tested
on 1989 and 1990 with the true past known [T5]. A second network reads harmonics of the day of the
year as well. Beside them stand yesterday's value, 2.481 °C, and the least squares of the last 7
days, 2.240 °C. `--dataset csv:PATH:COLUMN` forecasts a column of a file of one's own; nothing is
known of its days, so both networks read the same.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from annotated_types import Ge

from dlfun.algorithms import forecast
from dlfun.config import BatchSize, Epochs, Seed
from dlfun.data import melbourne_temperatures, series
from dlfun.data.dataset import Dataset
from dlfun.experiment import Claim, Inputs, Quick, Trained
from dlfun.learner import Key, Learner
from dlfun.nn.models.forecaster import Forecaster, units
from dlfun.optimizers import Optimizer, Schedule, make_optimizer
from dlfun.train.prediction import predict_columns
from dlfun.transforms import compare

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMULA = r"""
r, u = \sigma(W_{r,u} x_t + U_{r,u} h_{t-1} + b_{r,u}), \quad n = \tanh(W_n x_t + b_n + r \odot
(U_n h_{t-1} + b_n'))

h_t = (1 - u) \odot n + u \odot h_{t-1}

\hat{y}_{t+1} = v \cdot h_t + c, \quad \operatorname{RMSE} = \sqrt{\frac{1}{N} \sum_t (\hat{y}_t -
y_t)^2}
"""
CLAIMS = [
    Claim("test/alone_rmse", "AR(7) on the same data", at_most=2.24),
    Claim("test/with_day_rmse", "harmonics and AR(1): 2.170", at_most=2.18),
]
QUICK = Quick({"epochs": 4}, [claim._replace(at_most=2.4) for claim in CLAIMS])


@dataclass(frozen=True)
class Config:
    """Two forecasts of the next day's temperature."""

    cell: Literal["rnn", "lstm", "gru"] = "gru"
    """Recurrent cell."""
    hidden: Annotated[int, Ge(1)] = 16
    """Units of the recurrent layer."""
    length: Annotated[int, Ge(1)] = 20
    """Days that a forecast reads."""
    order: Annotated[int, Ge(1)] = 7
    """Days that the autoregression beside them reads."""
    epochs: Epochs = 8
    batch_size: BatchSize = 64
    optimizer: Optimizer = Optimizer(learning_rate=5e-3, schedule=Schedule("cosine", 0.0))
    """Optimizer."""
    dataset: str = melbourne_temperatures.NAME
    """The series: daily_min_temperatures, or csv:PATH:COLUMN."""
    seed: Seed = 0


def data(config: Config) -> Dataset:
    """Windows of the series."""
    return series.forecasts(
        series.load(config.dataset, melbourne_temperatures.SOURCE), config.length
    )


def learner(config: Config, dataset: Dataset) -> Learner:
    """A network that reads temperatures alone, and one that reads the day of the year as well."""
    x, y = (dataset.splits["train"][name] for name in ("x", "y"))
    optimizer = make_optimizer(
        config.optimizer, dataset.steps_per_epoch(config.batch_size), config.epochs
    )

    def network(columns: int) -> Learner:
        model = Forecaster(units(x, y), columns, config.cell, config.hidden)
        return forecast.forecaster(model, optimizer)

    return compare({"alone": network(1), "with_day": network(x.shape[2])})


def measure(trained: Trained, key: Key) -> dict[str, float]:
    """RMSE of both networks, of yesterday's value, and of an autoregression, in °C."""
    train, test = (trained.dataset.splits[split] for split in ("train", "test"))
    predictions = predict_columns(trained.learner, trained.state, test)
    order = min(trained.config.order, trained.config.length)
    predictions |= {
        "persistence": forecast.persistence(test),
        "autoregression": forecast.autoregression(train, test, order),
    }
    return {
        f"test/{name}_rmse": forecast.rmse(values, test["y"])
        for name, values in predictions.items()
    }


def inputs(trained: Trained, items: Sequence[str]) -> Inputs:
    """Every window of CSV files that have the columns of the series."""
    config, source = trained.config, melbourne_temperatures.SOURCE
    names, x = series.windows_of_files(config.dataset, source, items, config.length)
    return Inputs(names, {"x": x})


def outputs(
    trained: Trained, names: Sequence[str], predictions: dict[str, np.ndarray]
) -> Iterator[dict[str, float]]:
    """The forecasts of both networks of the step after each window."""
    for alone, with_day in zip(predictions["alone"], predictions["with_day"], strict=True):
        yield {"alone": float(alone), "with_day": float(with_day)}


def figures(trained: Trained, rows: list[dict[str, Any]]) -> Iterator[tuple[str, "Figure"]]:
    """The last days with both forecasts, and the errors of all methods."""
    from dlfun.plots.forecasts import forecasts
    from dlfun.random import stream

    test = trained.dataset.splits["test"]
    predictions = predict_columns(trained.learner, trained.state, test)
    measured = measure(trained, stream(trained.config.seed, "figures"))
    errors = {name.removeprefix("test/").removesuffix("_rmse"): e for name, e in measured.items()}
    persistence = f"yesterday's value {errors['persistence']:.2f}"
    title = f"The next day to within {errors['with_day']:.2f}, {persistence}"
    words = ("forecast value", "test RMSE")
    yield "forecasts", forecasts(title, test["y"], predictions, errors, *words)
