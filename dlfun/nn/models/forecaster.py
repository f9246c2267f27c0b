"""Recurrent network that forecasts the next value of a series from a window of it."""

from typing import NamedTuple

import flax.linen as nn
import numpy as np
from jaxtyping import Array, Float

from dlfun.nn.layers.dense import dense
from dlfun.nn.layers.recurrent import Recurrent
from dlfun.nn.layers.recurrent_stack import RecurrentStack


class Units(NamedTuple):
    """Mean and standard deviation of each column of the windows, and of what is forecast.

    The columns are tuples of numbers, as a module's attributes must be hashable.
    """

    x_mean: tuple[float, ...]
    x_scale: tuple[float, ...]
    y_mean: float
    y_scale: float


def units(x: Float[np.ndarray, "n length columns"], y: Float[np.ndarray, " n"]) -> Units:
    """The units of training windows; a column that never changes has the scale 1."""
    scale, y_scale = x.std(axis=(0, 1), dtype=np.float64), float(y.std(dtype=np.float64))
    return Units(
        tuple(x.mean(axis=(0, 1), dtype=np.float64).tolist()),
        tuple(np.where(scale > 0, scale, 1).tolist()),
        float(y.mean(dtype=np.float64)),
        y_scale or 1.0,
    )


class Forecaster(nn.Module):
    """Recurrent layers over a window, then a dense layer on the last output.

    It computes with numbers of mean 0 and variance 1 and gives its forecast in the series' units.

    Attributes:
        units: mean and scale of the columns and of the forecast.
        columns: how many columns, from the first, it reads.
        cell: "rnn", "lstm" or "gru".
        hidden: size of each layer's hidden state.
        layers: number of recurrent layers.
    """

    units: Units
    columns: int
    cell: str = "rnn"
    hidden: int = 32
    layers: int = 1

    @nn.compact
    def __call__(self, x: Float[Array, "batch length columns"]) -> Float[Array, " batch"]:
        """Forecasts of the step after each window."""
        mean, scale = (np.array(a, np.float32) for a in (self.units.x_mean, self.units.x_scale))
        read = ((x - mean) / scale)[..., : self.columns]
        layer = Recurrent(self.hidden, self.cell, scheme="orthogonal", parent=None)
        outputs, _ = RecurrentStack(layer, self.layers)(read)
        forecast = dense(outputs[:, -1], 1)[:, 0]
        return np.float32(self.units.y_mean) + np.float32(self.units.y_scale) * forecast
