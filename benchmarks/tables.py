"""Tables of the measurements, for a terminal or in Markdown."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

AIMS = {"mnist_mlp": 4.0, "mnist_cnn": 1.5, "mnist_rnn": 1.2, "mnist_lstm": 2.0, "mnist_gru": 3.0}
"""Targets: the time of an epoch in tuned PyTorch over the time in dlfun."""
OTHERS = {"tuned": "PyTorch tuned", "loader": "PyTorch DataLoader", "keras": "Keras"}
"""Settings beside dlfun."""
GB = 1e9


class Rows(NamedTuple):
    """Title, columns and rows of a table, as text."""

    title: str
    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def tables(report: Mapping[str, Any]) -> list[Rows]:
    """Tables of a report of `benchmarks.mnist`."""
    per_network = [_epochs(report), _shares(report)]
    return [*per_network, _whole(report)] if report["whole"] else per_network


def ratio(report: Mapping[str, Any], network: str, setting: str) -> float:
    """Median time of an epoch in another setting over that in dlfun."""
    times = report["networks"][network]["seconds"]
    return median(times[setting]) / median(times["dlfun"])


def _epochs(report: Mapping[str, Any]) -> Rows:
    rows, networks = [], report["networks"]
    timed = next(iter(networks.values()))["seconds"]
    others = {setting: name for setting, name in OTHERS.items() if setting in timed}
    for name, measured in networks.items():
        times = measured["seconds"]
        rows.append(
            (
                name,
                *(spread(times[setting]) for setting in ("dlfun", *others)),
                *(f"{ratio(report, name, setting):.2f}" for setting in others),
                f"≥ {AIMS[name]:g}",
            )
        )
    return Rows(
        f"One epoch of {report['examples']:,} examples: median seconds (least to most)"
        f" of {report['repeats']}",
        (
            *("network", "dlfun", *others.values()),
            *(f"{name} / dlfun" for name in others.values()),
            "aim of tuned",
        ),
        rows,
    )


def _shares(report: Mapping[str, Any]) -> Rows:
    peak = report["peak_flops_per_second"]
    rows = []
    for name, measured in report["networks"].items():
        rates = {
            key: measured["flops"] / median(times) for key, times in measured["seconds"].items()
        }
        rows.append(
            (
                name,
                f"{measured['flops'] / 1e9:,.1f}",
                *(
                    f"{rates[key] / 1e9:,.1f} ({rates[key] / peak:.1%})"
                    for key in ("dlfun", "tuned")
                ),
                f"{measured['memory']['dlfun'] / GB:.2f}",
                f"{measured['memory']['tuned'] / GB:.2f}",
                measured["settings"]["dlfun"],
                measured["settings"]["tuned"],
            )
        )
    return Rows(
        f"Share of this machine's matrix-product peak, {peak / 1e9:,.0f} GFLOP/s in this run",
        (
            "network",
            "GFLOP an epoch",
            "dlfun GFLOP/s",
            "PyTorch tuned GFLOP/s",
            "dlfun GB",
            "PyTorch tuned GB",
            "dlfun used",
            "PyTorch tuned used",
        ),
        rows,
    )


def _whole(report: Mapping[str, Any]) -> Rows:
    rows = []
    for label, runs in report["whole"].items():
        rows.append(
            (
                label,
                spread([run["seconds"] for run in runs]),
                f"{max(run['memory'] for run in runs) / GB:.2f}",
                f"{median(run['accuracy'] for run in runs):.4f}",
            )
        )
    return Rows(
        "Whole processes, from Enter to result",
        ("process", "median seconds (least to most)", "peak resident GB", "test accuracy"),
        rows,
    )


def spread(values: Sequence[float]) -> str:
    """Median, least and most of some times or rates, in three digits."""
    middle, least, most = (f"{_rounded(f(values)):,.10g}" for f in (median, min, max))
    return f"{middle} ({least} to {most})" if len(values) > 1 else middle


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")


def markdown(table: Rows) -> str:
    """Markdown of a table, with its title."""
    lines = [table.header, ("---",) * len(table.header), *table.rows]
    return f"**{table.title}**\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def show(table: Rows) -> None:
    """Print a table with rich; outside a terminal, lines are not wrapped."""
    console = Console(highlight=False)
    console = console if console.is_terminal else Console(highlight=False, width=250)
    grid = Table(*table.header, title=table.title, title_justify="left")
    for row in table.rows:
        grid.add_row(*row)
    console.print(grid)
