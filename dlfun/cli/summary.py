"""The command `summary`."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from rich.table import Table

from dlfun import config as configs
from dlfun import experiment as experiments
from dlfun.cli.console import PROGRAM, show, unprefixed
from dlfun.cli.parse import parse
from dlfun.experiment import Experiment

if TYPE_CHECKING:
    from dlfun.nn.summary import Row, Shape


@dataclass(frozen=True)
class Summary:
    """Describe an experiment's networks layer by layer: shapes, parameters, multiply-adds."""

    experiment: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME | RUN_DIR")]
    """Name of the experiment, followed by its flags, or a run directory."""
    json: bool = False
    """Print JSON instead of a table; of several stages, an object with one for each."""


def summary(arguments: Sequence[str]) -> int:
    """Run `summary NAME …`, whose flags come from the experiment's Config, or of a run."""
    name, rest = arguments[0], arguments[1:]
    program = f"{PROGRAM} summary {name}"
    if name not in experiments.paths() and ("/" in name or Path(name).is_dir()):
        from dlfun.train.driver import read_settings

        parsed = parse(Summary, arguments, program)
        name, config, _ = read_settings(Path(name))
        return _show(summarize_experiment(experiments.load(name), config), parsed.json)
    chosen = experiments.load(name)
    flags = field(default_factory=lambda: chosen.default)
    kind = dataclasses.make_dataclass(
        "Summary",
        [("config", unprefixed(chosen.Config), flags), ("json", bool, False)],
    )
    described: Any = parse(kind, rest, program, description=chosen.description)
    configs.check(described.config)
    return _show(summarize_experiment(chosen, described.config), described.json)


def _show(stages: list[tuple[str, list["Row"]]], as_json: bool) -> int:
    if as_json:
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
