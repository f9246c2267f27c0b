"""S&P 500 index at the close of each trading day, January 2000 to April 2020 (Yahoo Finance).

2000 to 2015 are for training, 2016 and 2017 for validation, 2018 and 2019 for test; 2020, with its
crash, is in no split.
"""

from datetime import date

import numpy as np

from dlfun.data.csv_table import Table
from dlfun.data.series import Series, Source, bounds_by_day

NAME = "sp500"


def parse(table: Table) -> Series:
    """The series in the columns date and close of a table. Raises UserError on a bad cell."""
    days = table.days("date")
    first = {"validation": date(2016, 1, 1), "test": date(2018, 1, 1), "end": date(2020, 1, 1)}
    values = table.numbers("close")[:, None]
    bounds = bounds_by_day(days, train=days[0], **first)
    nothing = np.zeros((len(days) + 1, 0))
    return Series(NAME, ("close",), values, nothing, bounds, tuple(map(str, days)))


SOURCE = Source(NAME, "sp500-2000.csv", "github.com/vega/vega-datasets", parse)
