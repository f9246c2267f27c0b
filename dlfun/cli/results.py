"""The table of results: one row a claim, on the terminal, as JSON, and in experiments/README.md."""

import datetime
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from dlfun import experiment as experiments
from dlfun.errors import UserError
from dlfun.experiment import format_metric

COLUMNS = ("claim", "source", "printed", "ours", "verdict", "seconds")
WRITTEN = ("claim", "source", "printed", "ours", "seeds", "verdict", "seconds", "made")
HEAD = """# Results

One row a claim: mean ± standard deviation over random seeds, seconds of one training, and the date,
version of JAX and processor it was made with. `python launch.py reproduce NAME … --seeds N --write`
writes it: its rows replace older ones of the same claims. README.md lists the sources [T1] to [T5].
"""


def cells(row: dict[str, Any]) -> list[str]:
    """A row as text, in the order of `COLUMNS`."""
    metric, mean = row["metric"], row["mean"]
    diverged = mean != mean and "diverged" in row["status"]
    return [
        f"{row['experiment']}: {statement(metric, row['at_least'], row['at_most'])}",
        row["source"],
        "" if row["printed"] is None else format_metric(metric, row["printed"]),
        "diverged" if diverged else format_metric(metric, mean, row["sd"]),
        "holds" if row["holds"] else "FAILS",
        f"{row['seconds']:.1f}",
    ]


def statement(metric: str, at_least: float | None, at_most: float | None) -> str:
    """A claim in words: test/accuracy ≥ 97.58 %."""
    bounds = [
        f"{sign} {format_metric(metric, bound)}"
        for sign, bound in (("≥", at_least), ("≤", at_most))
        if bound is not None
    ]
    return f"{metric} {', '.join(bounds)}"


def table(rows: Sequence[dict[str, Any]]) -> Table:
    """The rows for a terminal."""
    shown = Table(*COLUMNS, box=None, pad_edge=False)
    for row in rows:
        shown.add_row(*cells(row))
    return shown


def described(rows: Sequence[dict[str, Any]], seeds: int) -> dict[str, Any]:
    """The rows with date, versions and device."""
    from dlfun.train.run_directory import environment

    today = datetime.date.today().isoformat()
    return {"date": today, **environment(), "seeds": seeds, "claims": list(rows)}


def write(rows: Sequence[dict[str, Any]], seeds: int, path: Path | None = None) -> Path:
    """Put the rows into experiments/README.md; rows of other claims stay. Returns its path.

    Raises UserError where the experiments do not lie in a checkout.
    """
    from dlfun.train.run_directory import write_text

    if path is None:
        if experiments.PACKAGE != "experiments":
            raise UserError("--write needs a checkout of dlfun: experiments/README.md lies there")
        path = experiments.ROOT / "README.md"
    about = described(rows, seeds)
    device = about["device"]
    hardware = device["processor"] if device["platform"] == "cpu" else device["kind"]
    made = f"{about['date']}, jax {about['versions']['jax']}, {hardware}"
    kept = read(path)
    for row in rows:
        claim, source, printed, ours, verdict, seconds = cells(row)
        # A claim whose bound has changed is the same claim.
        kept = {key: line for key, line in kept.items() if _key(key) != _key(claim)} | {
            claim: [claim, source, printed, ours, str(seeds), verdict, seconds, made]
        }
    write_text(path, text(kept))
    return path


def read(path: Path) -> dict[str, list[str]]:
    """The rows of a written table by claim."""
    rows: dict[str, list[str]] = {}
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    for line in lines:
        parts = [part.strip() for part in line.strip().strip("|").split(" | ")]
        if line.startswith("| ") and len(parts) == len(WRITTEN) and ": " in parts[0]:
            rows[parts[0]] = parts
    return rows


def text(rows: dict[str, list[str]]) -> str:
    """The whole file: a table for each folder of experiments."""
    names = experiments.paths()
    order = list(names)
    families = dict.fromkeys(experiments.family(path) for path in names.values())
    lines = [HEAD]
    for family in families:
        current = [claim for claim in rows if _name(claim) in names]
        claims = [c for c in current if experiments.family(names[_name(c)]) == family]
        if not claims:
            continue
        lines += [f"## {family}", "", _line(WRITTEN), _line(["---"] * len(WRITTEN))]
        claims.sort(key=lambda claim: order.index(_name(claim)))
        lines += [*(_line(rows[claim]) for claim in claims), ""]
    return "\n".join(lines)


def _line(parts: Sequence[str]) -> str:
    return "| " + " | ".join(parts) + " |"


def _name(claim: str) -> str:
    return claim.partition(":")[0]


def _key(claim: str) -> str:
    return re.sub(r" [≥≤].*", "", claim)
