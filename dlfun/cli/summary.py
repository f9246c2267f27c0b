"""The command `summary`."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from rich.table import Table

from dlfun import experiment as experiments
from dlfun.cli.console import show
from dlfun.experiment import Experiment

if TYPE_CHECKING:
    from dlfun.nn.summary import Row, Shape


@dataclass(frozen=True)
class Summary:
    """Describe an experiment's networks layer by layer: shapes, parameters, multiply-adds."""

    experiment: Annotated[str, tyro.conf.Positional]
    """Name of the experiment."""
    json: bool = False
    """Print JSON instead of a table; of several stages, an object with one for each."""

    def __call__(self) -> int:
        experiment = experiments.load(self.experiment)
        stages = summarize_experiment(experiment, experiment.default)
        if self.json:
            from dlfun.nn.summary import to_dict

            sections = [{"stage": name} | to_dict(rows) for name, rows in stages]
            single = to_dict(stages[0][1])
            print(json.dumps({"stages": sections} if len(stages) > 1 else single, indent=2))
            return 0
        for name, rows in stages:
            show(render(rows, name if len(stages) > 1 else None))
        return 0


def summarize_experiment(experiment: Experiment, config: Any) -> list[tuple[str, list["Row"]]]:
    """The name of each stage of an experiment, and a summary of its learner."""
    from dlfun.nn.summary import summarize_learner
    from dlfun.train.loop import sample_batch

    stages = experiment.stages(config, experiment.data(config))
    return [(s.name, summarize_learner(s.learner, sample_batch(s.dataset))) for s in stages]


def render(rows: Sequence["Row"], title: str | None = None) -> Table:
    """Rows and totals as a table."""
    table = Table(title=title, show_footer=True)
    table.add_column("layer", "total")
    table.add_column("type")
    table.add_column("input")
    table.add_column("output")
    for name in ("parameters", "multiply_adds"):
        total = sum(getattr(row, name) for row in rows)
        table.add_column(name.replace("_", "-"), f"{total:,}", justify="right", no_wrap=True)
    if any(row.field for row in rows):
        table.add_column("receptive field")
    for row in rows:
        numbers = f"{row.parameters:,}", f"{row.multiply_adds:,}"
        field = f"{_times(row.field.size)}, {_times(row.field.jump)} apart" if row.field else ""
        cells = row.name, row.kind, _times(row.input), _times(row.output), *numbers, field
        table.add_row(*cells[: len(table.columns)])
    return table


def _times(shape: "Shape") -> str:
    return "×".join(map(str, shape))
