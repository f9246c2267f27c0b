"""The command `compare`."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from rich.table import Table

from dlfun.cli.console import note, several, show
from dlfun.errors import UserError, nearest
from dlfun.experiment import format_metric

if TYPE_CHECKING:
    from dlfun.train.series import Series, Spread


@dataclass(frozen=True)
class Compare:
    """Lay runs side by side: learning curves, metrics, and the settings that differ."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional, several("RUN …")]
    """Run directories, or folders of them; those that differ in their seed alone are averaged."""
    metric: str | None = None
    """Metric of the curves and of the order. Default: the first experiment's objective."""
    split: Literal["train", "validation", "test"] | None = None
    """Split of the curves and of the order. Default: test."""
    out: Path = Path("comparison.png")
    """File of the figure, a PNG."""
    json: bool = False
    """Print JSON instead of a table."""

    def __call__(self) -> int:
        from dlfun import experiment as experiments
        from dlfun.plots.runs import by_epoch
        from dlfun.plots.style import save
        from dlfun.train.series import expand, group

        directories = expand(self.runs)
        if len(directories) < 2:
            raise UserError(f"compare needs two runs or more, got {len(directories)}")
        if self.out.suffix != ".png" or not self.out.absolute().parent.is_dir():
            raise UserError(f"--out {self.out}: expected a .png file in a folder that is there")
        series = group(directories)
        objective = experiments.load(series[0].experiment).objective
        metric, split = choose(series, self.metric or objective.metric, self.split)
        maximize = objective.goal == "max" if metric == objective.metric else "accuracy" in metric
        series = ranked(series, f"{split}/{metric}", maximize)
        if self.json:
            print(json.dumps([described(one) for one in series], indent=2))
        else:
            show(table(series, metric, split))
        note(f"figure: {save(by_epoch(series, metric, split, maximize), self.out)}")
        return 0


def choose(series: Sequence["Series"], metric: str, split: str | None) -> tuple[str, str]:
    """Metric and split that at least one run has measured.

    Raises UserError where there is none, or none of this name.
    """
    measured: dict[str, set[str]] = {}
    for one in series:
        for rows in one.rows:
            for row in rows:
                measured.setdefault(row["split"], set()).update(
                    name for name, value in row.items() if isinstance(value, float)
                )
    if not measured:
        raise UserError("none of the runs has finished an epoch")
    if split is None:
        split = next(
            name for name in ("test", "validation", "train", *measured) if name in measured
        )
    metrics = measured.get(split, set())
    if metric not in metrics:
        guess = nearest(metric, metrics) or f"; there are: {', '.join(sorted(metrics)) or 'none'}"
        raise UserError(f"no metric '{metric}' of the {split} split in these runs{guess}")
    return metric, split


def ranked(series: Sequence["Series"], name: str, maximize: bool) -> list["Series"]:
    """The best mean first; those without the metric last."""

    def merit(one: "Series") -> float:
        final = one.final().get(name)
        if final is None or final.mean != final.mean:
            return float("inf")
        return -final.mean if maximize else final.mean

    return sorted(series, key=merit)


def table(series: Sequence["Series"], metric: str, split: str) -> Table:
    """A row for each series: the settings that differ, seeds and the metrics of a split."""
    from dlfun.train.series import text

    paths = list(dict.fromkeys(path for one in series for path in one.settings))
    finals = [one.final() for one in series]
    first = f"{split}/{metric}"
    names = dict.fromkeys(
        name for final in finals for name in final if name.startswith(f"{split}/")
    )
    metrics = [name for name in dict.fromkeys([first, *names]) if name in names]
    status = [status_of(one) for one in series]
    show_status = set(status) != {"completed"}
    shown = Table(box=None, padding=(0, 1, 0, 0))
    shown.add_column("runs", overflow="fold", min_width=12)
    columns = [*paths, "seeds", *(["status"] if show_status else []), *metrics, "seconds"]
    for name in columns:
        # optimizer.name is the optimizer.
        shown.add_column(name.removesuffix(".name").replace("optimizer.", ""), overflow="fold")
    for one, final, state in zip(series, finals, status, strict=True):
        seconds = [r["seconds"] for r in one.results if "seconds" in r]
        more = f" and {len(one.runs) - 1} more" if len(one.runs) > 1 else ""
        shown.add_row(
            f"{one.runs[0]}{more}",
            *(text(one.settings[path]) if path in one.settings else "" for path in paths),
            str(len(one.runs)),
            *([state] if show_status else []),
            *(_cell(name, final.get(name)) for name in metrics),
            f"{sum(seconds) / len(seconds):.1f}" if seconds else "",
        )
    return shown


def _cell(name: str, value: "Spread | None") -> str:
    return "" if value is None else format_metric(name, *value)


def status_of(one: "Series") -> str:
    """The status of the runs of a series, each once."""
    return ", ".join(sorted({result.get("status", "not begun") for result in one.results}))


def described(one: "Series") -> dict[str, Any]:
    """A series as JSON values."""
    return {
        "runs": [str(run) for run in one.runs],
        "experiment": one.experiment,
        "settings": one.settings,
        "status": [result.get("status", "not begun") for result in one.results],
        "metrics": {name: value._asdict() for name, value in one.final().items()},
    }
