"""Figures of a sweep: the effect of each hyperparameter, alone and with others."""

import math
from collections.abc import Iterator, Sequence

from matplotlib.figure import Figure

from dlfun.sweep.dimension import Dimension, Space
from dlfun.sweep.figures import against, importance, parallel, sensitivity
from dlfun.sweep.figures.scale import Sweep, best_over, is_numeric
from dlfun.sweep.table import Row, Trial, rank


def draw(
    experiment: str, space: Space, trials: Sequence[Trial], metric: str, maximize: bool
) -> Iterator[tuple[str, Figure]]:
    """Yield the figures that the trials can fill, by name; none where no trial was completed.

    `against_PATH` for each dimension of which two values were tried, `sensitivity` where a category
    was tried with two numbers, `parallel_coordinates` where there are two dimensions or more,
    `importance` where the trials are enough. Fields that are set together, `PATH,OTHER`, are one
    dimension. Raises UserError where the trials have no such metric.
    """
    dimensions, trials = _together(space, trials)
    rows = rank(trials, metric, maximize)
    done = [row for row in rows if row.trial.status == "completed" and math.isfinite(row.mean)]
    if not done:
        return
    diverged = [row for row in rows if row.trial.status == "diverged"]
    sweep = Sweep(experiment, metric, maximize, done, diverged)
    used = [d for d in dimensions if _varied(d, done, diverged)]
    paths = [d.path for d in space.dimensions]
    for dimension in used:
        # Between the ranges of several conditions a line would join what was never compared.
        connected = paths.count(dimension.path) == 1
        yield (
            f"against_{dimension.path}",
            against.draw(sweep, dimension, best_over(used, dimension), connected),
        )
    numbers = [d for d in used if is_numeric(d)]
    categories = [d for d in used if not is_numeric(d)]
    if numbers and categories:
        category = _preferred(categories, "optimizer.name")
        number = _preferred(numbers, "optimizer.learning_rate")
        crossed = sensitivity.restrict(sweep, category, number)
        if crossed.rows:
            remark = best_over(used, category, number)
            yield "sensitivity", sensitivity.draw(crossed, category, number, remark)
    if len(used) > 1:
        yield "parallel_coordinates", parallel.draw(sweep, used)
        if shares := importance.shares(sweep, used):
            yield "importance", importance.draw(sweep, shares)


def _together(space: Space, trials: Sequence[Trial]) -> tuple[list[Dimension], Sequence[Trial]]:
    """The dimensions, and the trials with a tuple of values for fields that are set together."""
    groups = dict.fromkeys(tuple(d.rows[0]) for d in space.dimensions if d.rows)
    dimensions = [d for d in space.fields if not any(d.path in group for group in groups)]
    for group in groups:
        path = ",".join(group)
        trials = [
            trial._replace(values=trial.values | ({path: values} if values else {}))
            for trial in trials
            for values in [tuple(trial.values[name] for name in group if name in trial.values)]
        ]
        rows = [
            row for d in space.dimensions if d.rows and tuple(d.rows[0]) == group for row in d.rows
        ]
        typed = [tuple(row.values()) for row in rows]
        tried = [trial.values[path] for trial in trials if path in trial.values]
        dimensions.append(Dimension(path, "list", tuple(dict.fromkeys([*typed, *tried]))))
    return dimensions, trials


def _varied(dimension: Dimension, done: Sequence[Row], diverged: Sequence[Row]) -> bool:
    """True if there is something to compare: two values, one of them with a result."""
    path = dimension.path
    tried = {row.trial.values[path] for row in [*done, *diverged] if path in row.trial.values}
    return len(tried) > 1 and any(path in row.trial.values for row in done)


def _preferred(dimensions: Sequence[Dimension], path: str) -> Dimension:
    return next((d for d in dimensions if d.path == path), dimensions[0])
