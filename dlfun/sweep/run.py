"""A sweep from its first proposal to its last result."""

import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlfun import config as configs
from dlfun.errors import UserError, nearest
from dlfun.sweep.executors import Execute, Job
from dlfun.sweep.plan import TRIALS, Plan
from dlfun.sweep.progress import Progress
from dlfun.sweep.prune import pruned, rungs
from dlfun.sweep.space import apply
from dlfun.sweep.study import Claim, opened_study
from dlfun.sweep.table import Trial, format_value, score
from dlfun.train import run_directory as runs
from dlfun.train.logging import NON_METRIC_COLUMNS, scalars
from dlfun.train.loop import measured_names

if TYPE_CHECKING:
    from dlfun.sweep.shared import SharedStudy
    from dlfun.sweep.study import LocalStudy

    Study = LocalStudy | SharedStudy

SIZES = "sizes.json"
"""Members at once by structure: measured once, so that a sweep that goes on computes the same."""
POLL = 2.0
"""Seconds between looks at what other machines are doing."""
Results = dict[int, dict[str, Any]]
"""The results of a trial's members, by seed."""
Curves = dict[int, dict[int, float]]
"""The metric by epoch, of trials by number."""


def run(plan: Plan, folder: Path, execute: Execute, progress: Progress) -> list[Trial]:
    """Train what is left of a sweep, and return all its trials.

    Raises KeyboardInterrupt on a signal, with all that was done saved.
    """
    with runs.locked(folder), opened_study(plan, folder) as study:
        progress.resume(study.trials())
        curves: Curves = {}
        while True:
            claims = study.claim(plan.batch)
            if claims:
                with study.alive(claims):
                    _work_off(plan, study, folder, claims, curves, execute, progress)
            elif study.busy():
                time.sleep(POLL)
            else:
                return study.trials()


def _work_off(
    plan: Plan,
    study: "Study",
    folder: Path,
    claims: list[Claim],
    curves: Curves,
    execute: Execute,
    progress: Progress,
) -> None:
    """Train each point that is new; tell the results of the others, which are known."""
    new: dict[str, Claim] = {}
    for claim in claims:
        new.setdefault(repr(claim.values), claim)
    for point in [point for point in new if study.measured(point)]:
        del new[point]
    batch = {claim.number: claim for claim in new.values()}
    _train(plan, study, folder, batch, curves, execute, progress)
    for claim in claims:
        if claim is not new.get(repr(claim.values)):
            earlier = study.measured(repr(claim.values))
            assert earlier is not None
            _tell(study, claim, earlier._replace(number=claim.number), plan, progress)


def _train(
    plan: Plan,
    study: "Study",
    folder: Path,
    batch: dict[int, Claim],
    known_curves: Curves,
    execute: Execute,
    progress: Progress,
) -> None:
    """Train trials together, each to its end or to where it is pruned; tell the study of each.

    The curves of the trials of earlier batches are read once, into `known_curves`.
    """
    if not batch:
        return
    base = plan.base
    going = {n: apply(base, claim.values) for n, claim in batch.items()}
    # Some trials of a resumed batch are done: the decisions about them are made again, the same.
    all_trials = study.trials() if plan.search.prune != "none" else []
    done = [t for t in all_trials if t.status in ("completed", "pruned")]
    first = min(batch) // plan.batch * plan.batch
    reached = {t.number: t.results for t in done if t.number >= first}
    epochs = max(getattr(config, "epochs", 1) for config in going.values())
    for epoch in rungs(plan.search, epochs):
        until = epoch if epoch < epochs else None  # Stages may have more epochs: to their end.
        for n, results in _execute(plan, folder, going, until, execute, progress):
            reached[n] = results
            if all(result["status"] in runs.FINAL for result in results.values()):
                going = {other: config for other, config in going.items() if other != n}
                _tell(study, batch[n], Trial(n, {}, _status(results), results), plan, progress)
        # No signal came, so all others have reached the epoch: none is left behind.
        for n in [n for n in going if _status(reached[n]) == "diverged"]:
            del going[n]
            _tell(study, batch[n], Trial(n, {}, "diverged", reached[n]), plan, progress)
        if not going or plan.search.prune == "none":
            return
        metric, maximize = choose_metric(plan, reached[min(going)])
        curves = {n: _curve(results, metric, epoch) for n, results in reached.items()}
        finished = [t for t in done if t.status == "completed" and t.number < first]
        for trial in finished:
            if trial.number not in known_curves:
                known_curves[trial.number] = _curve(trial.results, metric)
        before = [curve for t in finished if (curve := known_curves[t.number])]
        for n in sorted(pruned(plan.search, maximize, before, curves) & going.keys()):
            del going[n]
            results = {seed: _at(epoch, result) for seed, result in reached[n].items()}
            _tell(study, batch[n], Trial(n, {}, "pruned", results), plan, progress)
        if not going:
            return


def _execute(
    plan: Plan,
    folder: Path,
    tried: dict[int, Any],
    until: int | None,
    execute: Execute,
    progress: Progress,
) -> Iterator[tuple[int, Results]]:
    """(number, results) of each trial, once all its seeds have been trained until an epoch."""
    sizes = runs.read_json(folder / SIZES, dict[str, int]) if (folder / SIZES).exists() else {}
    seeds, members = plan.seeds, {}
    for n, config in sorted(tried.items()):
        for seed in seeds:
            run = str(folder / TRIALS / f"{n:04d}" / f"seed{seed}")
            members[run] = n, seed, configs.replace(config, {"seed": seed})
    work = tuple((config, Path(run)) for run, (_, _, config) in members.items())
    by_trial: dict[int, Results] = {}
    saved_sizes = dict(sizes)
    for run, result in execute(
        Job(
            plan.experiment,
            work,
            plan.inputs,
            plan.precision,
            plan.command,
            until,
            sizes,
            (plan.search.checkpoints, plan.search.events),
        )
    ):
        if sizes != saved_sizes:
            saved_sizes = dict(sizes)
            runs.write_json(folder / SIZES, sizes)
        n, seed, _ = members[run]
        results = by_trial.setdefault(n, {})
        results[seed] = _plain(result, run)
        if whole := len(results) == len(seeds):
            del by_trial[n]
        progress.ended = sum(
            r["status"] in runs.FINAL for t in by_trial.values() for r in t.values()
        )
        if whole:
            yield n, dict(sorted(results.items()))


def _plain(result: dict[str, Any], run: str) -> dict[str, Any]:
    """A member's result with its scalars as split/name."""
    flat = {
        f"{split}/{name}": value
        for split, metrics in result["metrics"].items()
        for name, value in scalars(metrics).items()
    }
    kept = {name: result[name] for name in ("status", "seconds", "step")}
    return kept | {"run": run, "metrics": flat}


def _status(results: Results) -> str:
    statuses = {result["status"] for result in results.values()}
    return "diverged" if "diverged" in statuses else "completed"


def _curve(results: Results, metric: str, until: int | None = None) -> dict[int, float]:
    """The metric after each epoch that has it, up to one, averaged over the seeds of a trial."""
    split, name = metric.split("/")
    by_epoch: dict[int, list[float]] = {}
    for result in results.values():
        for row in runs.read_metrics(Path(result["run"])):
            # The metrics of an earlier stage may be others.
            if row["split"] == split and name in row and row["epoch"] <= (until or row["epoch"]):
                by_epoch.setdefault(row["epoch"], []).append(row[name])
    return {epoch: statistics.fmean(values) for epoch, values in by_epoch.items()}


def _at(epoch: int, result: dict[str, Any]) -> dict[str, Any]:
    """A result as it was after an epoch, of a member that may have gone beyond."""
    rows = [row for row in runs.read_metrics(Path(result["run"])) if row["epoch"] == epoch]
    metrics = {
        f"{r['split']}/{name}": r[name]
        for r in rows
        for name in r
        if name not in NON_METRIC_COLUMNS
    }
    return result | {"step": rows[0]["step"], "seconds": rows[0]["seconds"], "metrics": metrics}


def _tell(study: "Study", claim: Claim, result: Trial, plan: Plan, progress: Progress) -> None:
    metric, maximize = choose_metric(plan, result.results)
    values = [one["metrics"].get(metric) for one in result.results.values()]
    objective, shown = float("inf"), result.status
    if all(value is not None for value in values):
        mean = statistics.fmean(values)
        shown = f"{metric} {score(mean, metric)}, {result.status}"
        if result.status == "completed":
            objective = -mean if maximize else mean  # The study minimizes.
    value = None if result.status == "pruned" else objective
    study.tell(claim, result, value)
    settings = [f"{path} {format_value(v)}" for path, v in claim.values.items()]
    progress.told(result.number, "  ".join(settings), shown, value)


def check_metric(plan: Plan) -> None:
    """Raise UserError where --metric names what the base config's last stage does not measure.

    What an experiment's `measure` adds is known only at the end of a training.
    """
    if plan.search.metric is None or plan.of.measure is not None:
        return
    stage = plan.of.stages(plan.base, plan.of.data(plan.base))[-1]
    measured = measured_names(stage.learner, stage.dataset)
    names = {f"{split}/{name}": 0.0 for split, names in measured.items() for name in names}
    choose_metric(plan, {0: {"metrics": names}})


def choose_metric(plan: Plan, results: Results) -> tuple[str, bool]:
    """The metric to rank by, and True if more of it is better.

    A bound on one side of a claim on the metric gives the better direction where neither the plan
    nor the objective does. Raises UserError where the metric that was asked for is not among the
    results, if there are any, or its better direction is not known.
    """
    names = {name for result in results.values() for name in result["metrics"]}
    objective, search = plan.of.objective, plan.search
    metric = search.metric
    if metric is None:
        order = [f"{split}/{objective.metric}" for split in ("validation", "test", "train")]
        held_out = order[0] if getattr(plan.base, "validation", 0) else order[1]
        metric = next((name for name in order if name in names), held_out)
    elif names and metric not in names:
        guess = nearest(metric, names) or f"; there are: {', '.join(sorted(names))}"
        raise UserError(f"--metric {metric} is not measured{guess}")
    if search.goal:
        return metric, search.goal == "maximize"
    if metric.partition("/")[2] == objective.metric:
        return metric, objective.goal == "max"
    claims = [
        claim for claim in plan.of.claims if (claim.at_least is None) != (claim.at_most is None)
    ]
    directions = {claim.at_least is not None for claim in claims if claim.metric == metric}
    if len(directions) == 1:
        return metric, directions.pop()
    guess = nearest(metric, {claim.metric for claim in claims} | {f"test/{objective.metric}"})
    raise UserError(f"--metric {metric} needs --goal maximize or minimize{guess}")
