"""What a run tells while it goes: a progress bar or plain lines, metrics.jsonl, TensorBoard."""

import sys
from pathlib import Path
from typing import Any

import jax
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from dlfun.metrics import values
from dlfun.train import loop
from dlfun.train import run_directory as runs

NON_METRIC_COLUMNS = ("step", "epoch", "split", "examples_per_second", "seconds")
"""What a row of metrics.jsonl holds beside metrics."""


class Log:
    """metrics.jsonl and TensorBoard events of one run; rows after `step` are superseded."""

    def __init__(self, run: Path, step: int) -> None:
        self.run = run
        runs.keep_metrics(run, step)
        self.events = _event_writer(run, purge_step=step + 1 if step else None)

    def write(
        self, epoch: int, step: int, splits: dict[str, dict[str, Any]], rate: float, seconds: float
    ) -> None:
        """The metrics of each split at the end of an epoch."""
        rows = self.rows(epoch, step, splits, rate, seconds)
        runs.append_metrics(self.run, rows)
        for row in rows:
            _add_events(self.events, row)

    @staticmethod
    def rows(
        epoch: int, step: int, splits: dict[str, dict[str, Any]], rate: float, seconds: float
    ) -> list[dict[str, Any]]:
        """A row of metrics.jsonl for each split."""
        return [
            {"step": step, "epoch": epoch, "split": split}
            | scalars(found)
            | {"examples_per_second": round(rate, 1), "seconds": round(seconds, 3)}
            for split, found in splits.items()
        ]

    def close(self) -> None:
        """Write what is not yet written."""
        self.events.close()


def write_events(run: Path) -> None:
    """The TensorBoard events of a run that kept no event file open, from its metrics.jsonl."""
    events = _event_writer(run, purge_step=None)
    for row in runs.read_metrics(run):
        _add_events(events, row)
    events.close()


def _add_events(events: Any, row: dict[str, Any]) -> None:
    for name, value in row.items():
        if name not in NON_METRIC_COLUMNS:
            events.add_scalar(f"{row['split']}/{name}", value, row["step"])


def scalars(metrics: dict[str, Any]) -> dict[str, float]:
    """The metrics that are single numbers."""
    return {name: value for name, value in metrics.items() if isinstance(value, float)}


class Reporter:
    """A context that shows and logs the progress of one run; silent in all processes but one."""

    def __init__(self, run: Path, epochs: int) -> None:
        self.run, self.epochs = run, epochs
        self.leads = jax.process_index() == 0
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)
        self.bar = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(),
            TextColumn("{task.fields[text]}"),
            TimeRemainingColumn(),
            console=self.console,
            disable=not (self.leads and self.console.is_terminal),
            transient=True,
        )

    def __enter__(self) -> "Reporter":
        return self

    def __exit__(self, *exception: object) -> None:
        self.bar.stop()
        if hasattr(self, "log"):
            self.log.close()

    def start(self, step: int) -> None:
        """Open the bar and the log; what was logged after `step` is superseded."""
        if self.leads:
            self.log = Log(self.run, step)
        self.task = self.bar.add_task("", total=self.epochs, epoch=f"0/{self.epochs}", text="")
        self.bar.start()

    def note(self, text: str) -> None:
        """A line for the user."""
        if self.leads:
            self.console.print(text, markup=False)

    def warn(self, text: str) -> None:
        """A line about something that went wrong but not for good."""
        self.note(f"warning: {text}")

    def progress(self, progress: loop.Progress) -> None:
        """Show where an epoch stands."""
        if self.bar.disable:
            return  # Reading the totals would make each step of a Python loop wait for the device.
        text = f"{progress.examples_per_second:,.0f} examples/s"
        if not progress.evaluated:
            text = f"{_shown(values(progress.seen))}  {text}"
        epoch = f"{min(int(progress.epoch) + 1, self.epochs)}/{self.epochs}"
        self.bar.update(self.task, completed=progress.epoch, epoch=epoch, text=text)

    def evaluated(
        self, progress: loop.Progress, splits: dict[str, dict[str, Any]], seconds: float
    ) -> None:
        """Log the metrics of each split at the end of an epoch."""
        epoch, rate = round(progress.epoch), progress.examples_per_second
        if self.leads:
            self.log.write(epoch, progress.position.step, splits, rate, seconds)
        shown = "  ".join(f"{split} {_shown(found)}" for split, found in splits.items())
        self.note(f"epoch {epoch}/{self.epochs}  {shown}  {rate:,.0f} examples/s")

    def write_result(self, result: dict[str, Any]) -> None:
        """Write result.json."""
        if self.leads:
            runs.write_json(self.run / runs.RESULT, result)

    def finished(self, result: dict[str, Any]) -> None:
        """Write the result and tell how the run ended."""
        self.write_result(result)
        match result["status"]:
            case "diverged":
                where = result["checkpoint"] or "none"
                self.note(
                    f"diverged: the loss of step {result['step']} is not finite; "
                    f"last good checkpoint: {where}"
                )
            case "interrupted":
                self.note(
                    f"interrupted at step {result['step']}; "
                    f"the same command with --run-dir {self.run} goes on from here"
                )


def _shown(metrics: dict[str, Any]) -> str:
    """The loss and the accuracy, where there is one."""
    return " ".join(f"{k} {metrics[k]:.4f}" for k in ("loss", "accuracy") if k in metrics)


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
    return SummaryWriter(str(run), purge_step=purge_step)
