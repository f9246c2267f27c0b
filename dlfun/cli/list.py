"""The command `list`."""

import json
from dataclasses import dataclass

from rich.table import Table

from dlfun import experiment
from dlfun.cli.console import show


@dataclass(frozen=True)
class List:
    """List the experiments: name, what each shows, its figure and rough time."""

    json: bool = False
    """Print JSON instead of a table."""

    def __call__(self) -> int:
        rows = [experiment.describe(name) for name in experiment.paths()]
        if self.json:
            print(json.dumps(rows, indent=2, ensure_ascii=False))
            return 0
        table = Table("experiment", "shows", "figure", "time", box=None)
        for row in rows:
            table.add_row(*row.values())
        show(table)
        return 0
