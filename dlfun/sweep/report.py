"""The report of a sweep: table, CSV, JSON, figures and the command of the best trial."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from dlfun import config as configs
from dlfun.plots.style import save
from dlfun.sweep import table
from dlfun.sweep.figures import draw
from dlfun.sweep.plan import Plan
from dlfun.sweep.run import choose_metric
from dlfun.sweep.space import flags
from dlfun.sweep.study import RECORD, opened_study
from dlfun.train import run_directory as runs


def report(
    plan: Plan, folder: Path, command: Sequence[str], warn: Callable[[str], None]
) -> tuple[Table, dict[str, Any]]:
    """The ranked trials, for a terminal and as JSON values.

    Writes table.csv, table.json and plots/ into the sweep's folder. `command` are the words that
    a command line of dlfun begins with.
    """
    with opened_study(plan, folder) as study:
        trials = study.trials()
    ended = sum(bool(trial.results) for trial in trials)
    if ended < plan.count and plan.search.storage is None:
        rest = f"`sweep --resume {folder}` trains the others"
        warn(f"{folder / RECORD} has the results of {ended} of {plan.count} trials: {rest}")
    results = {n: r for n, r in enumerate(r for t in trials for r in t.results.values())}
    metric, maximize = choose_metric(plan, results)
    rows = table.rank(trials, metric, maximize)
    values = table.described(rows, metric, maximize) | {"rerun": [], "best": ""}
    if rows and rows[0].trial.status == "completed":
        values["rerun"] = table.rerun(command, plan.experiment, base_flags(plan), rows[0])
        values["best"] = table.best_line(rows[0])
    else:
        warn("no trial was completed")
    if metric.startswith("test/") and ended > 1:
        hint = ": hold out a validation set, such as --validation 0.1"
        warn(
            "trials are ranked on the test set, which makes the best look better than it is"
            + (hint if hasattr(plan.base, "validation") else "")
        )
    runs.write_text(folder / "table.csv", table.csv_text(rows, metric))
    runs.write_json(folder / "table.json", values)
    for name, figure in draw(plan.experiment, plan.space, trials, metric, maximize):
        (folder / runs.PLOTS).mkdir(exist_ok=True)
        save(figure, folder / runs.PLOTS / f"{name}.png")
    return table.table(rows, metric), values


def base_flags(plan: Plan) -> list[str]:
    """The flags by which the sweep's base config differs from the experiment's own."""
    usual = configs.flatten(plan.of.default)
    base = configs.flatten(plan.base)
    return flags({k: v for k, v in base.items() if v != usual[k] and k != "seed"})
