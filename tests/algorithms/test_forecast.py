"""The forecaster computes in units of its own, and the simple methods are what they say."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dlfun.algorithms import forecast
from dlfun.nn.models.forecaster import Forecaster, units


def split(offset=0.0, scale=1.0):
    y = np.random.default_rng(0).normal(size=60)
    for t in range(2, 60):
        y[t] += 0.8 * y[t - 1] - 0.3 * y[t - 2]
    x = np.stack([y[t : t + 5] for t in range(55)])[..., None]
    made = {"x": offset + scale * x, "y": offset + scale * y[5:]}
    return {name: array.astype(np.float32) for name, array in made.items()}


def test_a_series_in_other_units_gets_the_same_forecasts_in_them():
    forecasts = []
    for windows in (split(), split(1000.0, 50.0)):
        model = Forecaster(units(windows["x"], windows["y"]), 1, hidden=4)
        variables = model.init(jax.random.key(0), jnp.asarray(windows["x"]))
        forecasts.append(np.asarray(model.apply(variables, jnp.asarray(windows["x"]))))
    np.testing.assert_allclose(1000 + 50 * forecasts[0], forecasts[1], rtol=1e-4)


def test_columns_beyond_those_it_reads_change_nothing():
    windows = split()
    x = np.concatenate([windows["x"], windows["x"] ** 2], axis=2)
    model = Forecaster(units(x, windows["y"]), 1, hidden=4)
    variables = model.init(jax.random.key(0), jnp.asarray(x))
    other = np.concatenate([windows["x"], np.ones_like(windows["x"])], axis=2)
    np.testing.assert_array_equal(
        model.apply(variables, jnp.asarray(x)), model.apply(variables, jnp.asarray(other))
    )


def test_an_autoregression_finds_the_coefficients_of_a_series_without_noise():
    y = [1.0, 0.5]
    for _ in range(40):
        y.append(0.2 + 1.5 * y[-1] - 0.8 * y[-2])
    y = np.array(y, np.float32)
    windows = {"x": np.stack([y[t : t + 3] for t in range(39)])[..., None], "y": y[3:]}
    found = forecast.autoregression(windows, windows, 2)
    np.testing.assert_allclose(found, windows["y"], atol=1e-4)
    assert forecast.rmse(forecast.persistence(windows), windows["y"]) > 0.05


def test_persistence_repeats_the_value_of_a_lag():
    windows = split()
    np.testing.assert_array_equal(forecast.persistence(windows, 2), windows["x"][:, 3, 0])


def test_errors_by_hand():
    y = np.array([1.0, 2.0, 3.0])
    assert forecast.rmse(y + [3, 0, 0], y) == pytest.approx(3**0.5)
    assert forecast.mae(y + [3, 0, -3], y) == pytest.approx(2)
