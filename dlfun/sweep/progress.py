"""Progress of a sweep on the terminal: n of N trainings, the time left and the best so far."""

import math
import time
from collections.abc import Sequence

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Column

from dlfun.sweep.table import Trial
from dlfun.train.logging import stderr_console

FEW = 100
"""Trials of a sweep, at most, of which each has a line."""
INTERVAL = 60.0
"""Seconds between two lines if the output is not a terminal."""


class Progress:
    """A context that shows a bar on a terminal, else a line a minute."""

    def __init__(self, trials: int, seeds: int) -> None:
        self.trials, self.seeds, self.done, self.resumed = trials, seeds, 0, 0
        self.ended, self.most = 0, 0
        """Trainings that have ended of trials that have not."""
        self.best, self.best_line = math.inf, ""
        self.console = stderr_console()
        self.bar = Bar(
            BarColumn(bar_width=10),
            MofNCompleteColumn(),
            TextColumn("trainings", table_column=Column(min_width=9)),
            TimeRemainingColumn(),
            TextColumn("{task.fields[best]}"),
            console=self.console,
            disable=not self.console.is_terminal,
            transient=True,
        )

    def __enter__(self) -> "Progress":
        self.task = self.bar.add_task("", total=self.trials * self.seeds, best="")
        self.began = self.shown_at = time.monotonic()
        self.bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.bar.stop()

    def note(self, text: str) -> None:
        """Print a line for the user."""
        self.console.print(text, markup=False)

    def resume(self, trials: Sequence[Trial]) -> None:
        """Count the trials that had ended before."""
        ended = sum(trial.status in ("completed", "pruned", "diverged") for trial in trials)
        self.done = self.resumed = ended * self.seeds
        self.under_way(0)

    def told(self, number: int, settings: str, shown: str, objective: float | None) -> None:
        """Show a trial that has ended; a lower objective is better."""
        self.done += self.seeds
        if objective is not None and objective < self.best:
            self.best = objective
            self.best_line = f"best: trial {number}, {shown.removesuffix(', completed')}"
        if self.trials <= FEW:
            self.note("  ".join(filter(None, [f"trial {number}:", settings, shown])))
        self.under_way(0)

    def under_way(self, trainings: float) -> None:
        """Show how much is done of the trainings that run now, as a number of whole ones."""
        now, total = time.monotonic(), self.trials * self.seeds
        done = min(self.done + self.ended + trainings, total)
        # Between the end of members and the writing of their results neither counts them.
        self.most = max(self.most, int(done))
        self.bar.update(self.task, completed=self.most, best=self.best_line)
        if self.bar.disable and now - self.shown_at > INTERVAL and done > self.resumed:
            self.shown_at = now
            left = (now - self.began) * (total - done) / (done - self.resumed)
            minutes = f"about {left / 60:.0f} min left"
            self.note("  ".join([f"{int(done)} of {total} trainings, {minutes}", self.best_line]))
