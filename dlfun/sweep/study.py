"""The record of a sweep of one process: trials.jsonl in its folder, to which lines are appended.

A line says what tpe proposes for a trial, {"trial": 3, "params": …}, or what became of a trial,
{"trial": 3, "status": "completed", "value": …, "results": …}, where run directories are named from
the sweep's folder, which may be moved. A sweep whose storage is named by URL keeps its record
there: see `dlfun.sweep.shared`.
"""

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dlfun.errors import UserError
from dlfun.sweep.plan import Plan
from dlfun.sweep.table import Trial
from dlfun.sweep.tpe import Proposals
from dlfun.train.overview import SWEEP_RECORD
from dlfun.train.run_directory import json_of, signed_line

if TYPE_CHECKING:
    import optuna

    from dlfun.sweep.shared import SharedStudy

RECORD, DATABASE = SWEEP_RECORD, "study.db"


class Claim(NamedTuple):
    """A trial that this process is to train."""

    number: int
    values: dict[str, Any]
    handle: "optuna.Trial | None" = None
    """The trial in a shared storage."""


@contextlib.contextmanager
def opened_study(plan: Plan, folder: Path) -> "Iterator[LocalStudy | SharedStudy]":
    """The record of a sweep, open within the context.

    Raises UserError where it is damaged or cannot be reached.
    """
    if plan.search.storage is None:
        yield LocalStudy(plan, folder)
        return
    from dlfun.sweep import shared

    with contextlib.closing(shared.SharedStudy(plan, plan.search.storage)) as study:
        yield study


def with_runs(
    results: Mapping[int, dict[str, Any]], change: Callable[[Path], Path]
) -> dict[int, dict[str, Any]]:
    """Results by seed, the paths of their run directories changed."""
    return {
        seed: result | ({"run": change(Path(result["run"])).as_posix()} if "run" in result else {})
        for seed, result in results.items()
    }


class LocalStudy:
    """The record in the sweep's folder. All that it does takes a time linear in the trials."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan, self.folder, self.file = plan, folder, folder / RECORD
        if not self.file.exists() and (folder / DATABASE).exists():
            raise UserError(
                f"{folder} is of an earlier version of dlfun, which kept its trials in {DATABASE}: "
                "sweep again into another folder"
            )
        self.points = plan.points
        self.proposals = Proposals(plan) if self.points is None else None
        self.recorded: dict[int, Trial] = {}
        self.by_point: dict[str, Trial] = {}
        self.first = 0
        """The results of all trials before this one are recorded."""
        self.size = 0
        """Bytes of the file's whole lines: a crash may have cut off the last."""
        for line in self._lines():
            self._read(line)

    def _lines(self) -> Iterator[bytes]:
        if not self.file.exists():
            return
        for line in self.file.read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n"):
                self.size += len(line)
                yield line

    def _read(self, line: bytes) -> None:
        try:
            row = json_of(line, dict[str, Any])
            number = row["trial"]
            if self.proposals is not None and "params" in row:
                self.proposals.again(number, row["params"])
                return
            results = {int(seed): dict(result) for seed, result in row["results"].items()}
            results = with_runs(results, self.folder.joinpath)
            trial = Trial(number, self._values(number), str(row["status"]), results)
            value = math.inf if row["value"] is None else float(row["value"])
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            shown = line[:60].decode(errors="replace").strip()
            raise UserError(f"{self.file} is damaged at '{shown}': {error}") from None
        self._keep(trial, None if trial.status == "pruned" else value)

    def _values(self, number: int) -> dict[str, Any]:
        if self.points is not None:
            return self.points[number]
        assert self.proposals is not None
        return self.proposals.values(number)

    def _keep(self, trial: Trial, value: float | None) -> None:
        self.recorded[trial.number] = self.by_point[repr(trial.values)] = trial
        if self.proposals is not None:
            self.proposals.tell(trial.number, value)

    def _append(self, row: dict[str, Any]) -> None:
        line = signed_line(row).encode()
        with self.file.open("r+b" if self.file.exists() else "xb") as file:
            file.truncate(self.size)
            file.seek(self.size)
            file.write(line)
        self.size += len(line)

    def claim(self, count: int) -> list[Claim]:
        """The trials without results in the batch that an unbroken sweep would train next.

        Batches are of trials n·count to (n+1)·count.
        """
        while self.first in self.recorded:
            self.first += 1
        if self.first >= self.plan.count:
            return []
        start = self.first // count * count
        batch = range(start, min(start + count, self.plan.count))
        if self.proposals is not None:
            for number in batch:
                if params := self.proposals.propose(number):
                    self._append({"trial": number, "params": params})
        return [
            Claim(number, self._values(number)) for number in batch if number not in self.recorded
        ]

    def busy(self) -> bool:
        """Always False, as no other process trains these trials."""
        return False

    def alive(self, claims: Sequence[Claim]) -> contextlib.AbstractContextManager[None]:
        """Do nothing: the folder's lock keeps the claims."""
        return contextlib.nullcontext()

    def tell(self, claim: Claim, result: Trial, value: float | None) -> None:
        """Record the results of a trial; without a value it was pruned."""
        trial = result._replace(number=claim.number, values=claim.values)
        results = with_runs(trial.results, lambda run: run.relative_to(self.folder))
        row = {"status": trial.status, "value": value, "results": results}
        self._append({"trial": trial.number} | row)
        self._keep(trial, value)

    def measured(self, point: str) -> Trial | None:
        """A trial that has ended, by the text of its values."""
        return self.by_point.get(point)

    def trials(self) -> list[Trial]:
        """All trials, in the order in which they were proposed."""
        count = self.proposals.count if self.proposals is not None else len(self.points or ())
        return [
            self.recorded.get(number) or Trial(number, self._values(number), "waiting", {})
            for number in range(count)
        ]
