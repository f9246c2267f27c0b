"""The command `list`."""

import itertools
import json
from dataclasses import dataclass
from typing import Annotated

import tyro
from rich.table import Table

from dlfun import experiment
from dlfun.cli.console import several, show, warn
from dlfun.cli.reproduce import expand

USUAL = " on 2 CPU cores"


@dataclass(frozen=True)
class List:
    """List the experiments: name, what each shows, its figure and rough time."""

    names: Annotated[tuple[str, ...], tyro.conf.Positional, several("NAME …")]
    """Experiments or folders of experiments, shown with their figures. Default: all."""
    json: bool = False
    """Print JSON instead of tables."""

    def __call__(self) -> int:
        paths = experiment.paths()
        names = expand(self.names) if self.names else paths
        rows = [experiment.describe(name, paths[name]) for name in names]
        if self.json:
            print(json.dumps(rows, indent=2, ensure_ascii=False))
            return 0
        for row in rows:
            for words in experiment.missing_lines(row):
                warn(f"{row['name']}: {words}")
        longest = max(len(row["name"]) for row in rows)
        for family, members in itertools.groupby(rows, key=lambda row: row["family"]):
            table = Table(box=None, pad_edge=False)
            # Of equal width in each family's table.
            table.add_column(family, min_width=longest, no_wrap=True, header_style="bold")
            table.add_column("shows")
            table.add_column("time", no_wrap=True)
            for row in members:
                figure = f"\nFigure: {row['figure']}" if self.names else ""
                time = row["time"].removesuffix(USUAL)
                table.add_row(row["name"], row["shows"] + figure, time)
            show(table)
            print()
        print(f"Times are those{USUAL}.")
        return 0
