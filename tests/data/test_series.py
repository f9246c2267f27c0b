"""Series of CSV files: what windows hold, how splits are divided, and what bad cells lead to."""

import datetime
import logging

import numpy as np
import pytest

from dlfun.data import chicago_ridership, csv_table, melbourne_temperatures, series, sp500
from dlfun.errors import UserError


def table(tmp_path, text):
    path = tmp_path / "own.csv"
    path.write_text(text)
    return csv_table.read(path)


def own(tmp_path, rows, header="date,value"):
    (tmp_path / "own.csv").write_text("\n".join([header, *rows]))
    return series.load(f"csv:{tmp_path}/own.csv:value", sp500.SOURCE)


def test_a_window_ends_before_the_step_that_is_forecast(tmp_path):
    made = own(tmp_path, [f"2000-01-{day:02},{day}" for day in range(1, 31)])
    splits = series.forecasts(made, 4).splits
    for split in splits.values():
        np.testing.assert_array_equal(split["x"][:, -1, 0] + 1, split["y"])
        np.testing.assert_array_equal(split["x"][:, 0, 0] + 4, split["y"])
    forecast = [step for split in splits.values() for step in split["y"]]
    assert forecast == list(range(5, 31))  # Every step with four before it, once.


def test_what_is_known_of_a_step_stands_beside_the_step_before(tmp_path):
    days = "\n".join(f"1985-01-{day:02},{day}" for day in range(1, 31))
    made = melbourne_temperatures.parse(table(tmp_path, f"Date,Temp\n{days}"))
    x = series.windows(made, 3, 3, 31)
    assert x.shape == (28, 3, 5)
    # The last window is followed by 31 January, which the file does not have.
    last = melbourne_temperatures.harmonics([datetime.date(1985, 1, 31)])
    np.testing.assert_allclose(x[-1, -1, 1:], last[0], rtol=1e-6)


def test_boardings_are_sorted_and_rows_twice_dropped(tmp_path):
    days = [datetime.date(2016, 1, 1) + datetime.timedelta(n) for n in range(100)]
    rows = [f"{day:%m/%d/%Y},W,{n},{10 * n}" for n, day in enumerate(days)]
    text = "\n".join(["service_date,day_type,bus,rail_boardings", *rows[::-1], rows[7]])
    made = chicago_ridership.parse(table(tmp_path, text))
    np.testing.assert_array_equal(made.values, [[10 * n, n] for n in range(100)])
    with pytest.raises(UserError, match="no row for 2016-02-20"):
        chicago_ridership.parse(
            table(tmp_path, "\n".join(text.splitlines()[:50] + text.splitlines()[51:]))
        )
    with pytest.raises(UserError, match="line 103: 2016-01-08 has another row"):
        chicago_ridership.parse(table(tmp_path, text + "\n01/08/2016,W,1,1"))


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["2000-01-01,1", "2000-01-02,"], "line 3: column 'value' is empty"),
        (["2000-01-01,1", "2000-01-02,a lot"], "line 3: column 'value' must be a finite number"),
        (["2000-01-01,nan"], "line 2: column 'value' must be a finite number, not 'nan'"),
        (["2000-01-01,1e300"], "line 2: column 'value' must be a finite number, not '1e300'"),
        (["2000-01-01,1", "2000-01-02"], "line 3: 1 cells, expected 2"),
        (["2000-01-01,1", "", "2000-01-03,1"], "line 3: 0 cells, expected 2"),
        (
            ["2000-01-01,1", "tomorrow,1"],
            "line 3: column 'date' must be a date YYYY-MM-DD, not 'tomorrow'",
        ),
        (["2000-01-02,1", "2000-01-01,1"], "line 3: 2000-01-01 stands after 2000-01-02"),
        ([], "has no rows"),
    ],
)
def test_a_bad_row_is_named_by_its_line(tmp_path, rows, words):
    with pytest.raises(UserError, match=words):
        own(tmp_path, rows)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("value,value", "has two columns 'value': rename one"),
        ("date;value", r"has no column 'value' \(commas must stand between cells\)"),
    ],
)
def test_a_column_that_is_there_twice_or_not_at_all_is_refused(tmp_path, header, words):
    cells = "1,1" if "," in header else "1;1"
    with pytest.raises(UserError, match=words):
        table(tmp_path, f"{header}\n{cells}").numbers("value")


def test_a_gap_between_dates_is_noted_by_its_line(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        own(tmp_path, ["2000-01-01,1", "2000-01-02,1", "2000-01-04,1"])
    assert "1 gaps between dates, the first before line 4" in caplog.text


@pytest.mark.parametrize("name", ["prices", "csv:own.csv", "csv::value"])
def test_an_unknown_series_is_refused(name):
    with pytest.raises(UserError, match="expected sp500, or csv:PATH:COLUMN"):
        series.load(name, sp500.SOURCE)


def test_a_column_that_is_not_there_is_named(tmp_path):
    own(tmp_path, ["2000-01-01,1"])
    with pytest.raises(UserError, match=r"no column 'valu' \(did you mean 'value'"):
        series.load(f"csv:{tmp_path}/own.csv:valu", sp500.SOURCE)


def test_a_series_shorter_than_its_window_is_refused(tmp_path):
    made = own(tmp_path, ["2000-01-01,1", "2000-01-02,1"])
    with pytest.raises(UserError, match="a window of 3 steps"):
        series.forecasts(made, 3)


def test_a_missing_file_says_where_it_is_to_be_had(tmp_path, monkeypatch):
    monkeypatch.delenv("DLFUN_DATA", raising=False)
    with pytest.raises(UserError, match=r"sp500-2000.csv: put it into .*vega"):
        series.load("sp500", sp500.SOURCE, tmp_path)
