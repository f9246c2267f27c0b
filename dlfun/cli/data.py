"""The command `data`."""

import json
from dataclasses import dataclass

from rich.table import Table

from dlfun.cli.console import show


@dataclass(frozen=True)
class Data:
    """List the datasets: present or not, where from, size, licence."""

    json: bool = False
    """Print JSON instead of a table."""

    def __call__(self) -> int:
        from dlfun import data

        rows = [row._asdict() for row in data.catalogue()]
        if self.json:
            print(json.dumps(rows, indent=2, default=str))
            return 0
        table = Table(
            "name", "present", "examples", "size", "licence", "source", "location", box=None
        )
        for row in rows:
            table.add_row(
                row["name"],
                "yes" if row["present"] else "no",
                ", ".join(f"{split} {count:,}" for split, count in row["examples"].items()),
                f"{row['size_bytes'] / 1e6:.1f} MB" if row["size_bytes"] else "",
                row["licence"],
                row["source"],
                str(row["location"]),
            )
        show(table)
        return 0
