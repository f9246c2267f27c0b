"""Daily minimum temperature in Melbourne, 1981 to 1990 (Australian Bureau of Meteorology).

1981 to 1987 are for training, 1988 for validation, 1989 and 1990 for test. 31 December 1984 and
1988 are missing from the file, and are read as if there were no such days.
"""

from datetime import date, timedelta

import numpy as np
from jaxtyping import Float

from dlfun.data.csv_table import Table
from dlfun.data.series import Series, Source, bounds_by_day

NAME = "daily_min_temperatures"
HARMONICS = 2
"""Sines and cosines of the year, of periods 1 and 1/2 year."""


def parse(table: Table) -> Series:
    """The temperature in °C, in the columns Date and Temp; known are harmonics of each day.

    Raises UserError on a malformed cell.
    """
    days = table.days("Date")
    known = harmonics([*days, days[-1] + timedelta(1)])
    bounds = bounds_by_day(days, train=days[0], validation=date(1988, 1, 1), test=date(1989, 1, 1))
    values = table.numbers("Temp")[:, None]
    return Series(NAME, ("Temp",), values, known, bounds, tuple(map(str, days)))


def harmonics(days: list[date]) -> Float[np.ndarray, "days waves"]:
    """sin 2πkd/365.25 and cos 2πkd/365.25 of the day d of the year, for k = 1, …."""
    angle = 2 * np.pi / 365.25 * np.array([day.timetuple().tm_yday for day in days])
    waves = [wave(k * angle) for k in range(1, HARMONICS + 1) for wave in (np.sin, np.cos)]
    return np.stack(waves, axis=1)


ORIGIN = "Hyndman's Time Series Data Library, or github.com/jbrownlee/Datasets"
SOURCE = Source(NAME, "daily-min-temperatures.csv", ORIGIN, parse)
