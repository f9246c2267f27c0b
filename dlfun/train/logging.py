"""Logs of a run: metrics.jsonl and TensorBoard events; and its progress on the terminal."""

import contextlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import jax.numpy as jnp
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from dlfun import config as configs
from dlfun.optimizers import Optimizer, rate_factor
from dlfun.train import run_directory
from dlfun.train.loop import Progress as LoopProgress
from dlfun.train.loop import Work

NON_METRIC_COLUMNS = ("step", "epoch", "stage", "split", "examples_per_second", "seconds")
"""Columns of metrics.jsonl beside the metrics."""

Splits = dict[str, dict[str, Any]]
"""Metrics by split and name."""


Events = Literal["live", "at end", "none"]
"""The moment at which TensorBoard's events are written."""


class Log:
    """metrics.jsonl of one run, and its TensorBoard events; rows after `step` are superseded."""

    def __init__(self, run: Path, step: int, events: Events = "live") -> None:
        """Open the log; with `events` "at end" no file is held open, as of a large population."""
        self.run, self.at_end = run, events == "at end"
        run_directory.keep_metrics(run, step)
        if step == 0 or self.at_end:  # TensorBoard would show those of a beginning before twice.
            for file in run.glob("events.*"):
                file.unlink()
        self.events = _event_writer(run, step + 1 if step else None) if events == "live" else None

    def write(
        self,
        rows: list[dict[str, Any]],
        learning_rate: float | None = None,
        arrays: Mapping[str, Any] | None = None,
    ) -> None:
        """Append rows; a learning rate and histograms of arrays go into the events alone."""
        run_directory.append_metrics(self.run, rows)
        if self.events is None:
            return
        for row in rows:
            _add_events(self.events, row)
        if learning_rate is not None:
            self.events.add_scalar("learning_rate", learning_rate, rows[0]["step"])
        for name, array in (arrays or {}).items():
            self.events.add_histogram(name, array, rows[0]["step"])

    def close(self, config: Any, result: Mapping[str, Any]) -> None:
        """Write the events that are not yet written; of a run that has ended, also the results."""
        complete = result["status"] != "interrupted"
        if self.at_end and complete:
            self.events = _event_writer(self.run, None)
            for row in run_directory.read_metrics(self.run):
                _add_events(self.events, row)
        if self.events is not None:
            if complete:
                _add_hyperparameters(self.events, config, result)
            self.events.close()

    def abandon(self) -> None:
        """Close the files of a training that failed."""
        if self.events is not None:
            self.events.close()


class _EventFile:
    """A file of events; what does not fit on the disk is left out.

    tensorboardX writes in a thread and at exit, where an error would be a traceback. That the disk
    is full is said where metrics, checkpoints or results are written.
    """

    def __init__(self, file: Any) -> None:
        self.file = file

    def write(self, data: bytes) -> None:
        with contextlib.suppress(OSError):
            self.file.write(data)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self.file.flush()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.file.close()


def rows(
    epoch: int, step: int, stage: str | None, splits: Splits, rate: float, seconds: float
) -> list[dict[str, Any]]:
    """A row of metrics.jsonl for each split at the end of an epoch.

    `stage` is a column only where a training has several.
    """
    return [
        {"step": step, "epoch": epoch, **({"stage": stage} if stage else {}), "split": split}
        | scalars(metrics)
        | {"examples_per_second": round(rate, 1), "seconds": round(seconds, 3)}
        for split, metrics in splits.items()
    ]


def scalars(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The metrics that are single numbers."""
    return {name: value for name, value in metrics.items() if isinstance(value, float)}


def stderr_console() -> Console:
    """A console on standard error; its lines are not broken."""
    # Rich would take a file for a terminal where FORCE_COLOR is set.
    on_terminal = sys.stderr.isatty()
    console = Console(stderr=True, highlight=False, soft_wrap=True, force_terminal=on_terminal)
    # Rich would end the process with status 1, without a reason.
    console.on_broken_pipe = _raise_closed  # type: ignore[method-assign]
    return console


def _raise_closed() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    raise BrokenPipeError("standard error was closed by its reader")


class Display:
    """A context that shows one training on the terminal: a progress bar, a line an epoch."""

    def __init__(self, run: Path, epochs: int, shown: tuple[str, ...], silent: bool) -> None:
        """`shown` names the metrics of a line; `silent` is for all processes but the first."""
        self.run, self.epochs, self.shown, self.silent = run, epochs, shown, silent
        self.console = stderr_console()
        self.bar = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(),
            TextColumn("{task.fields[text]}"),
            TimeRemainingColumn(),
            console=self.console,
            disable=silent or not self.console.is_terminal,
            transient=True,
        )

    def __enter__(self) -> "Display":
        self.task = self.bar.add_task("", total=self.epochs, epoch=f"0/{self.epochs}", text="")
        self.bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.bar.stop()

    def note(self, text: str) -> None:
        """Print a line for the user."""
        if not self.silent:
            self.console.print(text, markup=False)

    def progress(self, progress: LoopProgress, splits: Splits) -> None:
        """Show how far an epoch is; `splits` are the metrics at its end, else empty."""
        rate = progress.examples_per_second
        if splits:
            parts = "  ".join(f"{split} {self._line(m)}" for split, m in splits.items())
            text = f"epoch {round(progress.epoch)}/{self.epochs}  {parts}"
            self.note(f"{text}  {rate:,.0f} examples/s")
        if not self.bar.disable:
            epoch = f"{min(int(progress.epoch) + 1, self.epochs)}/{self.epochs}"
            text = f"{rate:,.0f} examples/s"
            self.bar.update(self.task, completed=progress.epoch, epoch=epoch, text=text)

    def _line(self, metrics: Mapping[str, Any]) -> str:
        return " ".join(f"{name} {metrics[name]:.4f}" for name in self.shown if name in metrics)

    def ended(self, result: Mapping[str, Any]) -> None:
        """Print how a training ended, where it was not completed."""
        if result["status"] == "diverged":
            self.note(
                f"diverged: a metric of step {result['step']} is not finite; "
                f"last good checkpoint: {result['checkpoint'] or 'none'}"
            )
        elif result["status"] == "interrupted":
            self.note(
                f"interrupted at step {result['step']}; "
                f"the same command with --run-dir {self.run} goes on from here"
            )


def _add_events(events: Any, row: dict[str, Any]) -> None:
    for name, value in row.items():
        if name not in NON_METRIC_COLUMNS:
            events.add_scalar(f"{row['split']}/{name}", value, row["step"])
    if row["split"] == "train":
        events.add_scalar("examples_per_second", row["examples_per_second"], row["step"])


def _add_hyperparameters(events: Any, config: Any, result: Mapping[str, Any]) -> None:
    """The row of TensorBoard's table of hyperparameters: the Config and the final metrics."""
    from tensorboardX.summary import hparams

    metrics = {
        f"{split}/{name}": value
        for split, values in result["metrics"].items()
        for name, value in scalars(values).items()
    }
    fields = {
        path: "-".join(map(str, value)) if isinstance(value, tuple) else value
        for path, value in configs.flatten(config).items()
    }
    for summary in hparams(fields, metrics):
        events.file_writer.add_summary(summary)
    for name, value in metrics.items():  # Measures are in no row.
        events.add_scalar(name, value, result["step"])


def learning_rate(config: Any, work: Work, step: int) -> float | None:
    """The rate of the last of `step` updates, where the Config has an `optimizer`."""
    optimizer = getattr(config, "optimizer", None)
    if not isinstance(optimizer, Optimizer):
        return None
    factor = rate_factor(optimizer.schedule, work.steps_per_epoch, work.stage.epochs)
    return optimizer.learning_rate * float(factor(jnp.int32(step - 1 - work.first_step)))


def _event_writer(run: Path, purge_step: int | None) -> Any:
    """A TensorBoard writer, imported without PyTorch.

    tensorboardX imports PyTorch wherever it is installed: a second of start-up that is not needed.
    """
    hidden = {"torch": None} if "torch" not in sys.modules else {}
    sys.modules.update(hidden)  # type: ignore[arg-type]
    try:
        from tensorboardX import SummaryWriter
    finally:
        for name in hidden:
            del sys.modules[name]
    writer = SummaryWriter(str(run), purge_step=purge_step)
    records = writer.file_writer.event_writer._ev_writer._py_recordio_writer
    records._writer = _EventFile(records._writer)
    return writer
