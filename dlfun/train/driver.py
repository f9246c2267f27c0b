"""A training run: the loop of `dlfun.train.loop` tied to a run directory."""

import contextlib
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax

from dlfun import config as configs
from dlfun import experiment as experiments
from dlfun import metrics as measures
from dlfun.errors import UserError
from dlfun.experiment import Experiment
from dlfun.train import checkpoint, loop
from dlfun.train import run_directory as runs
from dlfun.train.logging import Reporter
from dlfun.train.options import Options, build, compile_programs, set_up
from dlfun.train.signals import stop_signal

EXIT = {"completed": 0, "diverged": 3, "interrupted": 130}


def train(name: str, config: Any, options: Options, run: Path, command: str) -> dict[str, Any]:
    """Train in the directory `run`, or go on where it stopped; return the contents of result.json.

    Of several processes only the first writes. Raises UserError on bad input, a directory in use,
    or one that holds another configuration.
    """
    experiment, options = build(name, config, options)
    description = runs.describe(name, config, configs.to_dict(options), command)
    writes = jax.process_index() == 0
    if writes:
        runs.make_directory(run)
    with runs.locked(run) if writes else contextlib.nullcontext():
        if writes:
            runs.open_run(run, description)
        result = runs.read_result(run)
        if result.get("status") == "completed":
            return result
        try:
            return _train(experiment, options, run)
        except BaseException as error:
            reason = str(error) or type(error).__name__
            runs.write_json(run / runs.RESULT, {"status": "failed", "error": reason})
            raise


class Trained(NamedTuple):
    """A run directory read back."""

    name: str
    config: Any
    options: Options
    experiment: Experiment
    position: loop.Position


def read(
    run: Path, warn: Callable[[str], None], which: Literal["last", "best"] = "last"
) -> Trained:
    """The experiment of a run directory and the last, or best, whole checkpoint in it.

    Raises UserError where `run` is no run directory, its experiment is unknown or it has no whole
    checkpoint. Damaged checkpoints are named to `warn`.
    """
    name, config, options = read_settings(run)
    set_up(options)
    experiment, options = build(name, config, options)
    find = checkpoint.latest if which == "last" else checkpoint.best
    saved = find(run / runs.CHECKPOINTS, warn)
    if saved is None:
        raise UserError(f"{run} has no whole checkpoint: train it first")
    rows = compile_programs(experiment, options).rows or 1
    position = checkpoint.restore(saved, loop.start(experiment, rows))
    return Trained(name, config, options, experiment, position)


def read_settings(run: Path) -> tuple[str, Any, Options]:
    """Experiment, Config and Options of a run directory."""
    found = runs.read_config(run)
    name = found["experiment"]
    config = configs.from_dict(experiments.load(name).Config, found["config"])
    return name, config, configs.from_dict(Options, found["options"])


def evaluate(
    run: Path, warn: Callable[[str], None], which: Literal["last", "best"] = "last"
) -> dict[str, dict[str, Any]]:
    """Metrics of every held-out split, computed anew from the checkpoint."""
    trained = read(run, warn, which)
    programs = compile_programs(trained.experiment, trained.options)
    found = loop.evaluate(trained.experiment, trained.position.state, programs)
    return {split: measures.values(metrics) for split, metrics in found.items()}


def _train(experiment: Experiment, options: Options, run: Path) -> dict[str, Any]:
    programs = compile_programs(experiment, options)
    folder = run / runs.CHECKPOINTS
    position, before = loop.start(experiment, programs.rows or 1), 0.0
    with Reporter(run, experiment.epochs) as report, stop_signal() as stopped:
        saved = checkpoint.latest(folder, report.warn)
        if saved:
            position, before = checkpoint.restore(saved, position), saved.seconds
            report.note(f"resuming from {saved.path} (step {saved.step})")
        report.start(position.step)
        report.write_result({"status": "running"})
        result = outcome("completed", position.step, before, saved.metrics if saved else {})
        began = time.perf_counter()
        for progress in loop.fit(
            experiment, position, programs, loop=options.loop, stop=stopped.is_set
        ):
            position = progress.position
            seconds = before + time.perf_counter() - began
            splits = {k: measures.values(v) for k, v in (progress.evaluated or {}).items()}
            diverged = progress.diverged
            if diverged is None and not finite(splits):
                diverged = position.step
            if diverged is not None:
                last = checkpoint.latest(folder, report.warn)
                path = str(last.path.relative_to(run)) if last else None
                result = outcome("diverged", diverged, seconds, {}) | {"checkpoint": path}
                break
            report.progress(progress)
            if splits:
                report.evaluated(progress, splits, seconds)
                checkpoint.save(folder, position, seconds, splits)
                result = outcome("completed", position.step, seconds, splits)
            if progress.stopped and progress.epoch < experiment.epochs:
                if not splits:
                    checkpoint.save(folder, position, seconds, {})
                result = outcome("interrupted", position.step, seconds, {})
        report.finished(result)
    return result


def finite(splits: dict[str, dict[str, Any]]) -> bool:
    """Whether the loss of every split is finite."""
    return all(math.isfinite(split["loss"]) for split in splits.values())


def outcome(status: str, step: int, seconds: float, metrics: dict) -> dict[str, Any]:
    """What result.json holds."""
    return {"status": status, "step": step, "seconds": round(seconds, 3), "metrics": metrics}
