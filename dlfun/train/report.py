"""What a run tells while it goes: a progress bar or plain lines, metrics.jsonl, TensorBoard."""

import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from dlfun import runs
from dlfun.metrics import values
from dlfun.train import loop


class Reporter:
    """A context that shows and logs the progress of one run."""

    def __init__(self, run: Path, epochs: int) -> None:
        self.run, self.epochs = run, epochs
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)
        self.bar = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(),
            TextColumn("{task.fields[text]}"),
            TimeRemainingColumn(),
            console=self.console,
            disable=not self.console.is_terminal,
            transient=True,
        )

    def __enter__(self) -> "Reporter":
        return self

    def __exit__(self, *exception: object) -> None:
        self.bar.stop()
        if hasattr(self, "events"):
            self.events.close()

    def start(self, step: int) -> None:
        """Open the bar and the event file; events after `step` are superseded."""
        self.events = _event_writer(self.run, purge_step=step + 1 if step else None)
        self.task = self.bar.add_task("", total=self.epochs, epoch=f"0/{self.epochs}", text="")
        self.bar.start()

    def note(self, text: str) -> None:
        """A line for the user."""
        self.console.print(text, markup=False)

    def warn(self, text: str) -> None:
        """A line about something that went wrong but not for good."""
        self.note(f"warning: {text}")

    def progress(self, progress: loop.Progress) -> None:
        """Show where an epoch stands."""
        if self.bar.disable:
            return  # Reading the totals would make each step of a Python loop wait for the device.
        seen = values(loop.summed(progress.position.totals))
        text = f"{progress.examples_per_second:,.0f} examples/s"
        if not progress.evaluated:
            text = f"loss {seen['loss']:.4f}  accuracy {seen['accuracy']:.4f}  {text}"
        epoch = f"{min(int(progress.epoch) + 1, self.epochs)}/{self.epochs}"
        self.bar.update(self.task, completed=progress.epoch, epoch=epoch, text=text)

    def evaluated(
        self, progress: loop.Progress, splits: dict[str, dict[str, Any]], seconds: float
    ) -> None:
        """Log the metrics of each split at the end of an epoch."""
        epoch, step = round(progress.epoch), progress.position.step
        rate = progress.examples_per_second
        rows, shown = [], []
        for split, found in splits.items():
            scalars = {k: v for k, v in found.items() if isinstance(v, float)}
            rows.append(
                {"step": step, "epoch": epoch, "split": split}
                | scalars
                | {"examples_per_second": round(rate, 1), "seconds": round(seconds, 3)}
            )
            shown.append(f"{split} loss {found['loss']:.4f} accuracy {found['accuracy']:.4f}")
            for name, value in scalars.items():
                self.events.add_scalar(f"{split}/{name}", value, step)
        self.events.flush()
        runs.append_metrics(self.run, rows)
        self.note(f"epoch {epoch}/{self.epochs}  {'  '.join(shown)}  {rate:,.0f} examples/s")

    def finished(self, result: dict[str, Any]) -> None:
        """Tell how the run ended."""
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
