"""The trials of a sweep in order of merit: for the terminal, as CSV, as JSON, as commands."""

import csv
import io
import math
import re
import shlex
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.table import Table

from dlfun.errors import UserError, nearest
from dlfun.experiment import format_metric
from dlfun.sweep.space import flags

SHOWN = 20
"""Rows on a terminal; table.csv has all."""
STATUSES = ("completed", "pruned", "diverged", "failed", "running", "waiting")


def number_of(count: int, noun: str) -> str:
    """A number of things: "1 seed", "2 seeds"."""
    return f"{count} {noun}{'s' * (count != 1)}"


def product(trials: int, seeds: int) -> str:
    """The trainings of a sweep, as the product that they are."""
    trainings = number_of(trials * seeds, "training")
    return f"{number_of(trials, 'trial')} x {number_of(seeds, 'seed')} = {trainings}"


class Trial(NamedTuple):
    """A point of the search space and its results, over one or more seeds."""

    number: int
    values: dict[str, Any]
    """Path → value; a field whose condition does not hold is absent."""
    status: str
    """One of `STATUSES`."""
    results: dict[int, dict[str, Any]]
    """Results by seed: status, seconds, run, step, and metrics as {"test/accuracy": 0.98, …}."""


class Row(NamedTuple):
    """A trial's place among the others."""

    rank: int
    """The position in order of merit, from 1."""
    trial: Trial
    mean: float
    """Mean of the metric over seeds; nan where a seed has none."""
    sd: float | None
    """Standard deviation over seeds, with n - 1; None for one seed."""
    scores: dict[int, float]
    """The metric by seed."""
    seconds: float
    """Mean time of one training."""


def rank(trials: Sequence[Trial], metric: str, maximize: bool) -> list[Row]:
    """The trials, best mean of the metric over seeds first.

    Completed trials come before pruned ones, which were measured before their training ended, and
    these before diverged, failed and unfinished ones; nan comes last of all, and among equals the
    lower number first. Raises UserError where there are metrics but none of this name.
    """
    names = {name for t in trials for r in t.results.values() for name in r.get("metrics") or {}}
    if names and metric not in names:
        guess = nearest(metric, names) or f"; there are: {', '.join(sorted(names))}"
        raise UserError(f"no metric '{metric}' in this sweep{guess}")

    def merit(row: Row) -> tuple[int, bool, float, int]:
        lost = not math.isfinite(row.mean)
        group = 2 if lost else min(STATUSES.index(row.trial.status), 2)
        value = 0.0 if lost else -row.mean if maximize else row.mean
        return group, lost, value, row.trial.number

    rows = sorted((_row(trial, metric) for trial in trials), key=merit)
    return [row._replace(rank=position) for position, row in enumerate(rows, 1)]


def _row(trial: Trial, metric: str) -> Row:
    results = dict(sorted(trial.results.items()))
    measured = {seed: (result.get("metrics") or {}).get(metric) for seed, result in results.items()}
    scores = {seed: math.nan if value is None else float(value) for seed, value in measured.items()}
    values = list(scores.values())
    finite = all(map(math.isfinite, values))
    spread = (statistics.stdev(values) if finite else math.nan) if len(values) > 1 else None
    times = [r["seconds"] for r in results.values() if r.get("seconds") is not None]
    return Row(
        rank=0,
        trial=trial,
        mean=statistics.fmean(values) if values else math.nan,
        sd=spread,
        scores=scores,
        seconds=statistics.fmean(times) if times else math.nan,
    )


def format_value(value: Any) -> str:
    """A hyperparameter's value for people: 0.001, 1e-4, 256-128, none."""
    if isinstance(value, tuple):
        return "-".join(map(format_value, value)) or "()"
    if isinstance(value, float):
        text = f"{value:.4g}" if value == 0 or abs(value) >= 1e-3 else f"{value:.3e}"
        return re.sub(r"\.?0*e([+-])0*", r"e\1", text).replace("e+", "e")
    return str(value).lower() if isinstance(value, bool | None) else str(value)


def score(value: float, metric: str, sd: float | None = None) -> str:
    """A metric's value for people, as by `format_metric`; nothing where there is none."""
    return "" if math.isnan(value) else format_metric(metric, value, sd)


def paths(rows: Sequence[Row]) -> list[str]:
    """The swept fields, in the order of the space as far as the trials tell it."""
    # The trial with the most fields comes first, since conditions leave fields out.
    order = sorted(rows, key=lambda row: (-len(row.trial.values), row.trial.number))
    return list(dict.fromkeys(path for row in order for path in row.trial.values))


def table(rows: Sequence[Row], metric: str) -> Table:
    """The best `SHOWN` rows for a terminal."""
    swept = paths(rows)
    shown = Table("rank", "trial", "status", *swept, metric, "seeds", "seconds", box=None)
    for row in rows[:SHOWN]:
        values = row.trial.values
        shown.add_row(
            str(row.rank),
            str(row.trial.number),
            row.trial.status,
            *(format_value(values[path]) if path in values else "" for path in swept),
            score(row.mean, metric, row.sd),
            str(len(row.scores)),
            "" if math.isnan(row.seconds) else f"{row.seconds:.1f}",
        )
    return shown


def best_line(row: Row) -> str:
    """The folder of a trial and its test metrics, mean and standard deviation over seeds."""
    results = list(row.trial.results.values())
    names = dict.fromkeys(name for r in results for name in r["metrics"] if name[:5] == "test/")
    measured = []
    for name in names:
        one = _row(row.trial, name)
        measured.append(f"{name} {score(one.mean, name, one.sd)}")
    folder = Path(results[0]["run"]).parent
    return f"best: trial {row.trial.number}, in {folder}: {', '.join(measured)}"


def csv_text(rows: Sequence[Row], metric: str) -> str:
    """The rows as CSV, in full precision; a cell is empty where there is no value.

    Columns: rank, trial, status, one a swept field, the metric, its sd, seeds, one a seed, seconds.
    """
    swept = paths(rows)
    seeds = sorted({seed for row in rows for seed in row.scores})
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [metric, f"{metric} sd", "seeds", *(f"seed {seed}" for seed in seeds), "seconds"]
    writer.writerow(["rank", "trial", "status", *swept, *names])
    for row in rows:
        values = [str(row.trial.values.get(path, "")) for path in swept]
        scores = [row.scores.get(seed) for seed in seeds]
        line = [row.rank, row.trial.number, row.trial.status, *values, row.mean, row.sd]
        line += [len(row.scores), *scores, row.seconds]
        writer.writerow(["" if value != value else value for value in line])
    return text.getvalue()


def described(rows: Sequence[Row], metric: str, maximize: bool) -> dict[str, Any]:
    """The rows as JSON values; null where there is no finite figure."""

    def finite(value: float | None) -> float | None:
        return value if value is not None and math.isfinite(value) else None

    return {
        "metric": metric,
        "maximize": maximize,
        "trials": [
            {
                "rank": row.rank,
                "trial": row.trial.number,
                "status": row.trial.status,
                "values": {
                    path: list(value) if isinstance(value, tuple) else value
                    for path, value in row.trial.values.items()
                },
                "mean": finite(row.mean),
                "sd": finite(row.sd),
                "scores": {str(seed): finite(value) for seed, value in row.scores.items()},
                "seconds": finite(row.seconds),
            }
            for row in rows
        ],
    }


def rerun(
    command: Sequence[str], experiment: str, base_flags: Sequence[str], row: Row
) -> list[str]:
    """The commands that train a row's trial again, one a seed."""
    start = [*command, "train", experiment, *base_flags, *flags(row.trial.values)]
    return [shlex.join([*start, "--seed", str(seed)]) for seed in row.scores]
