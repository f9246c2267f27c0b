"""What `predict` makes of CSV and WAV files for the experiments that read series and recordings."""

import wave

import numpy as np
import pytest

from dlfun.errors import UserError
from dlfun.experiment import Trained
from experiments.recurrent import spoken_digits, stock_prices, temperature


def of(experiment, **values):
    return Trained(experiment.Config(**values), None, None, None, 0)


def write(path, samples):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(samples.astype("<i2").tobytes())
    return str(path)


def test_every_window_of_a_csv_file_has_a_name(tmp_path):
    path = tmp_path / "own.csv"
    rows = [f"1995-03-{day:02},{day}" for day in range(1, 11)]
    path.write_text("\n".join(["Date,Temp", *rows]))
    names, columns = temperature.inputs(of(temperature, length=7), [str(path)])
    assert names[-1] == f"{path}, after 1995-03-10"
    np.testing.assert_array_equal(columns["x"][:, -1, 0], [7, 8, 9, 10])
    with pytest.raises(UserError, match="a window of 11 steps"):
        temperature.inputs(of(temperature, length=11), [str(path)])
    path.write_text("\n".join(["Date,Temp", *rows[:3], "1995-03-04,?"]))
    with pytest.raises(UserError, match="line 5: column 'Temp' must be a finite number, not '?'"):
        temperature.inputs(of(temperature, length=2), [str(path)])


def test_prices_are_read_as_returns(tmp_path):
    path = tmp_path / "own.csv"
    path.write_text("price,volume\n100,3\n110,4\n121,5\n")
    trained = of(stock_prices, length=2, dataset="csv:elsewhere.csv:price")
    names, columns = stock_prices.inputs(trained, [str(path)])
    assert names == [f"{path}, after line 4"]
    np.testing.assert_allclose(columns["x"][0, :, 0], np.log([1.1, 1.1]), rtol=1e-5)
    np.testing.assert_array_equal(columns["close"], [121])


def test_a_forecast_of_a_walk_is_nearest_to_the_day_before():
    prices = 100 + np.random.default_rng(0).normal(size=200).cumsum()
    shifts = stock_prices.shifted_errors(prices[:-1], prices[1:])
    assert shifts[1] == 0
    assert min(shifts[lag] for lag in shifts if lag != 1) > 0.5


def test_silence_at_the_ends_of_a_wav_file_changes_no_frame(tmp_path):
    spoken = 9000 * np.sin(np.arange(3000) / 3) * np.linspace(0.2, 1, 3000)
    noise = np.random.default_rng(0).integers(-90, 90, 2500)
    paths = [
        write(tmp_path / "a.wav", spoken),
        write(tmp_path / "b.wav", np.concatenate([noise, spoken, noise[:700], np.zeros(500)])),
    ]
    _, columns = spoken_digits.inputs(of(spoken_digits), paths)
    np.testing.assert_array_equal(*columns["frames"])


def test_what_is_no_wav_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"a\.wav cannot be read: No such file or directory"):
        spoken_digits.inputs(of(spoken_digits), [str(tmp_path / "a.wav")])
