"""The trainings of a sweep as rows: `dlfun.load_sweep`."""

from pathlib import Path
from typing import Any

from dlfun.sweep import plan as plans
from dlfun.sweep.study import opened_study


def read(folder: Path, storage: str | None = None) -> list[dict[str, Any]]:
    """A row for each training, in the order of trials and seeds.

    Raises UserError where `folder` is no sweep.
    """
    rows: list[dict[str, Any]] = []
    with opened_study(plans.read(folder, storage), folder) as study:
        trials = study.trials()
    for trial in trials:
        results: list[tuple[int | None, dict[str, Any]]] = [*trial.results.items()]
        for seed, result in results or [(None, {})]:
            about = {"trial": trial.number, "seed": seed}
            measured = {"seconds": result.get("seconds"), "run": result.get("run")}
            status = {"status": result.get("status", trial.status)}
            rows.append(about | status | trial.values | (result.get("metrics") or {}) | measured)
    return rows
