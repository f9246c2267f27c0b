"""A recurrent network forecasts tomorrow's boardings of trains, better with buses and kind of day.

Figure: validation MAE ≤ 32,000, with all columns ≤ 26,000 (24,500 and 20,100, three seeds)
Time: 20 s on 1 CPU core
Command: python launch.py train ridership

It reads eight weeks of boardings on Chicago's trains, trained on 2016 to 2018 (Géron 2022, ch. 15,
whose RNN of 32 units has a mean absolute error of 29,015 boardings on March to May 2019, and
22,062 where it reads buses and the next day's kind as well, each the best epoch of one seed on
these very days). Beside them stand the value of a week before, 42,143, and the least squares of 56
days, 38,119. `--dataset csv:PATH:COLUMN,COLUMN…` forecasts the first of some columns of a file.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import jax.numpy as jnp
import numpy as np
from annotated_types import Ge

from dlfun.algorithms import forecast
from dlfun.config import BatchSize, Epochs, Seed
from dlfun.data import chicago_ridership, series
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
h_t = \tanh(W x_t + U h_{t-1} + b)

\hat{y} = v \cdot h_{56} + c, \quad \operatorname{MAE} = \frac{1}{N} \sum_i |\hat{y}_i - y_i|
"""
CLAIMS = [
    Claim("validation/rail_mae", "Géron 2022, ch. 15", printed=29015, at_most=32000),
    Claim("validation/multivariate_mae", "Géron 2022, ch. 15", printed=22062, at_most=26000),
]
QUICK = Quick(
    {"epochs": 3, "length": 14},
    [claim._replace(printed=None, at_most=200_000) for claim in CLAIMS],
)
WEEK = 7


@dataclass(frozen=True)
class Config:
    """Two forecasts of the next day's boardings."""

    cell: Literal["rnn", "lstm", "gru"] = "rnn"
    """Recurrent cell."""
    hidden: Annotated[int, Ge(1)] = 32
    """Units of the recurrent layer."""
    length: Annotated[int, Ge(7)] = 56
    """Days that a forecast reads."""
    epochs: Epochs = 80
    batch_size: BatchSize = 32
    optimizer: Optimizer = Optimizer(
        learning_rate=5e-3, clip_norm=1.0, schedule=Schedule("cosine", 0.0)
    )
    """Optimizer."""
    dataset: str = chicago_ridership.NAME
    """The series: chicago_ridership, or csv:PATH:COLUMN[,COLUMN…]."""
    seed: Seed = 0


def data(config: Config) -> Dataset:
    """Windows of the series."""
    return series.forecasts(series.load(config.dataset, chicago_ridership.SOURCE), config.length)


def learner(config: Config, dataset: Dataset) -> Learner:
    """A network that reads the boardings of trains alone, and one that reads all columns."""
    x, y = (dataset.splits["train"][name] for name in ("x", "y"))
    optimizer = make_optimizer(
        config.optimizer, dataset.steps_per_epoch(config.batch_size), config.epochs
    )

    def network(columns: int) -> Learner:
        model = Forecaster(units(x, y), columns, config.cell, config.hidden)
        # The error that is reported: holidays and storms count by their size, not its square.
        return forecast.forecaster(model, optimizer, jnp.abs)

    return compare({"rail": network(1), "multivariate": network(x.shape[2])})


def measure(trained: Trained, key: Key) -> dict[str, float]:
    """Mean absolute error of the value a week before, and of an autoregression."""
    splits, measured = trained.dataset.splits, {}
    for split in ("validation", "test"):
        y = splits[split]["y"]
        week = forecast.persistence(splits[split], WEEK)
        linear = forecast.autoregression(splits["train"], splits[split], trained.config.length)
        measured[f"{split}/week_before_mae"] = forecast.mae(week, y)
        measured[f"{split}/autoregression_mae"] = forecast.mae(linear, y)
    return measured


def inputs(trained: Trained, items: Sequence[str]) -> Inputs:
    """Every window of CSV files that have the columns of the series."""
    config, source = trained.config, chicago_ridership.SOURCE
    names, x = series.windows_of_files(config.dataset, source, items, config.length)
    return Inputs(names, {"x": x})


def outputs(
    trained: Trained, names: Sequence[str], predictions: dict[str, np.ndarray]
) -> Iterator[dict[str, float]]:
    """The forecasts of both networks of the step after each window."""
    for rail, multivariate in zip(predictions["rail"], predictions["multivariate"], strict=True):
        yield {"rail": float(rail), "multivariate": float(multivariate)}


def figures(trained: Trained, rows: list[dict[str, Any]]) -> Iterator[tuple[str, "Figure"]]:
    """The last days with both forecasts, and the errors of all methods."""
    from dlfun.plots.forecasts import forecasts

    splits = trained.dataset.splits
    test, length = splits["test"], trained.config.length
    predictions = predict_columns(trained.learner, trained.state, test)
    methods = predictions | {
        "week_before": forecast.persistence(test, WEEK),
        "autoregression": forecast.autoregression(splits["train"], test, length),
    }
    errors = {name: forecast.mae(values, test["y"]) for name, values in methods.items()}
    title = f"{errors['rail']:,.0f} boardings off; {errors['multivariate']:,.0f} with all columns"
    words = ("boardings", "test MAE, boardings")
    yield "forecasts", forecasts(title, test["y"], predictions, errors, *words)
