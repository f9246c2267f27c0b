"""A training run: the loop of `dlfun.train.loop` tied to a run directory."""

import dataclasses
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import jax
from annotated_types import Ge

from dlfun import config as configs
from dlfun import experiment as experiments
from dlfun import metrics as measures
from dlfun import runs
from dlfun.errors import UserError
from dlfun.experiment import Experiment
from dlfun.train import checkpoint, loop
from dlfun.train.report import Reporter

EXIT = {"completed": 0, "diverged": 3, "interrupted": 130}


@dataclass(frozen=True)
class Options:
    """How to run, beside what to run: all of it is recorded, and part of what a resume compares."""

    devices: Annotated[int, Ge(1)] | None = None
    """Devices to split each batch over. Default: one GPU or TPU; on a CPU, as many virtual devices
    as the experiment says pay."""
    loop: Literal["compiled", "python"] = "compiled"
    """compiled: pieces of an epoch are one program; python: one call a step."""
    precision: Literal["default", "bfloat16", "tensorfloat32", "float32"] = "default"
    """Precision of matrix products on devices that have a choice."""


def set_up(options: Options, data_dir: Path | None = None) -> None:
    """Configure JAX and the data folder for this process, before JAX's first use of a device."""
    if data_dir is not None:
        if not data_dir.is_dir():
            raise UserError(f"--data-dir {data_dir} is no directory")
        os.environ["DLFUN_DATA"] = str(data_dir)
    jax.config.update("jax_num_cpu_devices", max(2, options.devices or 1))
    precision = None if options.precision == "default" else options.precision
    jax.config.update("jax_default_matmul_precision", precision)
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "dlfun" / "xla"
    jax.config.update("jax_compilation_cache_dir", str(cache))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def build(name: str, config: Any, options: Options) -> tuple[Experiment, int]:
    """The experiment and the number of devices it will use. Raises UserError on bad values."""
    configs.check(config)
    configs.check(options)
    experiment = experiments.load(name).build(config)
    size = len(experiment.dataset.splits["train"]["label"])
    if experiment.batch_size > size:
        raise UserError(
            f"--batch-size must be at most the training set's {size}, got {experiment.batch_size}"
        )
    there = jax.local_device_count()
    on_cpu = jax.default_backend() == "cpu"
    devices = options.devices or (experiment.cpu_devices if on_cpu else 1)
    if devices > there:
        raise UserError(f"--devices {devices}: there are only {there} here")
    return experiment, devices


def train(name: str, config: Any, options: Options, run: Path, command: str) -> dict[str, Any]:
    """Train in the directory `run`, or go on where it stopped; return the contents of result.json.

    Raises UserError on bad input, a directory in use, or one that holds another configuration.
    """
    experiment, devices = build(name, config, options)
    options = dataclasses.replace(options, devices=devices)
    description = runs.describe(name, config, configs.to_dict(options), command)
    runs.make_directory(run)
    with runs.locked(run):
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
    experiment, devices = build(name, config, options)
    find = checkpoint.newest if which == "last" else checkpoint.best
    saved = find(run / runs.CHECKPOINTS, warn)
    if saved is None:
        raise UserError(f"{run} has no whole checkpoint: train it first")
    position = checkpoint.restore(saved, loop.start(experiment, devices))
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
    found = loop.evaluate(trained.experiment, trained.position.state, trained.options.devices or 1)
    return {split: measures.values(metrics) for split, metrics in found.items()}


def _train(experiment: Experiment, options: Options, run: Path) -> dict[str, Any]:
    devices = options.devices or 1
    folder = run / runs.CHECKPOINTS
    position, before = loop.start(experiment, devices), 0.0
    with Reporter(run, experiment.epochs) as report:
        saved = checkpoint.newest(folder, report.warn)
        if saved:
            position, before = checkpoint.restore(saved, position), saved.seconds
            report.note(f"resuming from {saved.path} (step {saved.step})")
        runs.keep_metrics(run, position.step)
        report.start(position.step)
        runs.write_json(run / runs.RESULT, {"status": "running"})
        result = _result("completed", position.step, before, saved.metrics if saved else {})
        began = time.perf_counter()
        with _stop_signal() as stopped:
            for progress in loop.fit(experiment, position, devices=devices, loop=options.loop):
                position = progress.position
                seconds = before + time.perf_counter() - began
                if progress.diverged is None and progress.evaluated:
                    splits = {k: measures.values(v) for k, v in progress.evaluated.items()}
                    if not all(math.isfinite(split["loss"]) for split in splits.values()):
                        progress = progress._replace(diverged=position.step)
                if progress.diverged is not None:
                    last = checkpoint.newest(folder, report.warn)
                    path = str(last.path.relative_to(run)) if last else None
                    result = _result("diverged", progress.diverged, seconds, {})
                    result["checkpoint"] = path
                    break
                report.progress(progress)
                if progress.evaluated:
                    report.evaluated(progress, splits, seconds)
                    checkpoint.save(folder, position, seconds, splits)
                    result = _result("completed", position.step, seconds, splits)
                if stopped.is_set() and progress.epoch < experiment.epochs:
                    if not progress.evaluated:
                        checkpoint.save(folder, position, seconds, {})
                    result = _result("interrupted", position.step, seconds, {})
                    break
        report.finished(result)
    runs.write_json(run / runs.RESULT, result)
    return result


def _result(status: str, step: int, seconds: float, metrics: dict) -> dict[str, Any]:
    return {"status": status, "step": step, "seconds": round(seconds, 3), "metrics": metrics}


@contextmanager
def _stop_signal() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set; a second signal acts as usual."""
    event = threading.Event()
    handlers: dict[signal.Signals, Any] = {}
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    def handle(number: int, frame: Any) -> None:
        event.set()
        for which, handler in handlers.items():
            signal.signal(which, handler)

    for which in (signal.SIGINT, signal.SIGTERM):
        handlers[which] = signal.signal(which, handle)
    try:
        yield event
    finally:
        for which, handler in handlers.items():
            signal.signal(which, handler)
