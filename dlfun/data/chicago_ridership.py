"""Boardings a day on Chicago's trains and buses, 2001 to 2021 (Chicago Transit Authority).

As Géron (2022, ch. 15) divides them: 2016 to 2018 for training, January to May 2019 for validation,
of which the days are forecast that have 56 before them in it; then June 2019 to February 2020,
before the pandemic, for test.
"""

import itertools
from datetime import date, datetime, timedelta

import numpy as np

from dlfun.data.csv_table import Table
from dlfun.data.series import Series, Source, bounds_by_day
from dlfun.errors import UserError

NAME = "chicago_ridership"
KINDS = ("W", "A", "U")
"""Weekday, Saturday, and Sunday or holiday."""
FIRST = date(2016, 1, 1)


def parse(table: Table) -> Series:
    """Boardings of trains and buses since 2016; known is the kind of each day.

    The file is not sorted, and has some lines twice.

    Raises:
        UserError: a malformed cell, an unknown kind of day, two unequal rows of one day, or a day
            that is missing, each named by its line or date.
    """
    days = table.column("service_date", _day, "a date MM/DD/YYYY")
    kinds = table.column("day_type", KINDS.index, f"one of {', '.join(KINDS)}")
    boardings = [table.numbers("rail_boardings"), table.numbers("bus")]
    rows: dict[date, tuple[float, ...]] = {}
    for line, day, *row in zip(table.lines, days, kinds, *boardings, strict=True):
        if rows.setdefault(day, tuple(row)) != tuple(row):
            raise UserError(f"{table.origin}, line {line}: {day} has another row with other values")
    days = sorted(day for day in rows if day >= FIRST)
    if not days:
        raise UserError(f"{table.origin} has no day since {FIRST}")
    for before, day in itertools.pairwise(days):
        if day != before + timedelta(1):
            raise UserError(f"{table.origin}: no row for {before + timedelta(1)}")
    kind = [int(rows[day][0]) for day in days]
    kind.append({5: 1, 6: 2}.get((days[-1] + timedelta(1)).weekday(), 0))
    bounds = bounds_by_day(
        days,
        train=FIRST,
        between=date(2019, 1, 1),
        validation=date(2019, 1, 1) + timedelta(56),
        test=date(2019, 6, 1),
        end=date(2020, 3, 1),
    )
    del bounds["between"]
    values = np.array([rows[day][1:] for day in days])
    names = tuple(map(str, days))
    return Series(NAME, ("rail_boardings", "bus"), values, np.eye(3)[kind], bounds, names)


def _day(text: str) -> date:
    return datetime.strptime(text, "%m/%d/%Y").date()


ORIGIN = "data.cityofchicago.org, or ridership.tgz of github.com/ageron/data"
SOURCE = Source(NAME, "ridership.csv", ORIGIN, parse)
