"""Timings of convolution on the CPU beside PyTorch: `python -m benchmarks.convolution --help`."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated, Any

from annotated_types import Ge

from benchmarks.command import about, compare
from benchmarks.layers import LOWERINGS, PARTS, work
from benchmarks.tables import Rows
from benchmarks.worker import Worker

WORKERS = {"dlfun": "benchmarks.convolution_ours", "PyTorch": "benchmarks.convolution_pytorch"}
FORMATS = ("contiguous", "channels_last")
TITLES = {
    "forward": "Forward",
    "all": "Forward, and the gradients of kernel and input (of the image: none)",
}


@dataclass(frozen=True)
class Benchmark:
    """Time all lowerings of convolution, and whole networks, in dlfun and PyTorch in turns."""

    repeats: Annotated[int, Ge(1)] = 3
    """Measurements of each task, of which the median is reported."""
    quick: bool = False
    """Measure tiny shapes once each, to check that the benchmark runs."""
    json: Path | None = None
    """File for all measurements."""
    markdown: bool = False
    """Print Markdown instead of tables."""


def main(arguments: Sequence[str]) -> int:
    """Measure, print the tables, and return the exit status."""
    return compare(
        Benchmark,
        arguments,
        "python -m benchmarks.convolution",
        measure,
        shown,
        lambda report: (
            f"The peak is that of a matrix product, {report['peak_flops_per_second'] / 1e9:,.0f}"
            " GFLOP/s in this run."
        ),
    )


def shown(benchmark: Benchmark, report: dict[str, Any]) -> list[Rows]:
    """Tables of a report."""
    settings = {"quick": benchmark.quick}
    return [*(layers(report, settings, part) for part in PARTS), networks(report, settings)]


def measure(benchmark: Benchmark) -> dict[str, Any]:
    """Measure: seconds by framework and task, one for each repeat."""
    busy = os.getloadavg()[0]
    settings = {"quick": benchmark.quick}
    repeats = 1 if benchmark.quick else benchmark.repeats
    seconds: dict[str, dict[str, list[float]]] = {name: {} for name in WORKERS}
    with (
        Worker(WORKERS["dlfun"], settings) as dlfun_worker,
        Worker(WORKERS["PyTorch"], settings) as torch_worker,
    ):
        workers = {"dlfun": dlfun_worker, "PyTorch": torch_worker}
        for subject in subjects(settings):
            for _ in range(repeats):
                for name, worker in workers.items():
                    for task in worker.about["tasks"]:
                        if task.startswith(f"{subject} "):
                            duration = worker.ask(task)["answer"]
                            seconds[name].setdefault(task, []).append(duration)
            print(subject, file=sys.stderr)
        products = [w.ask("product")["answer"] for _ in range(repeats) for w in workers.values()]
    return {
        **about(),
        "load_before": busy,
        "repeats": repeats,
        "peak_flops_per_second": max(products),
        "seconds": seconds,
    }


def subjects(settings: Mapping[str, Any]) -> list[str]:
    """Groups of tasks that are measured together, with the frameworks in turns."""
    convolutions, nets, _, _ = work(settings)
    parts = [f"{layer.name} {part}" for layer in convolutions for part in PARTS]
    return parts + [network.name for network in nets]


def layers(report: Mapping[str, Any], settings: Mapping[str, Any], part: str) -> Rows:
    """GFLOP/s of each layer by lowering, dlfun's choice and PyTorch's, as a share of the peak."""
    dlfun_times, torch_times = report["seconds"]["dlfun"], report["seconds"]["PyTorch"]
    peak = report["peak_flops_per_second"]
    rows = []
    for layer in work(settings)[0]:
        name, flops = f"{layer.name} {part}", layer.flops(part)

        def rate(
            times: Mapping[str, Sequence[float]], way: str, name: str = name, flops: float = flops
        ) -> str:
            durations = times.get(f"{name} {way}")
            return f"{flops / median(durations) / 1e9:.0f}" if durations else ""

        best = min(median(torch_times[f"{name} {way}"]) for way in FORMATS)
        chosen = median(dlfun_times[f"{name} chosen"])
        shape = (
            f"{layer.batch}×{layer.size}², {layer.channels} → {layer.features}, {layer.window}²"
            + f" / {layer.stride}" * (layer.stride > 1)
        )
        rows.append(
            (
                layer.name,
                shape,
                *(rate(dlfun_times, way) for way in LOWERINGS),
                f"{rate(dlfun_times, 'chosen')} ({flops / chosen / peak:.0%})",
                *(rate(torch_times, way) for way in FORMATS),
                f"{best / chosen:.2f}",
            )
        )
    header = ("layer", "shape", *LOWERINGS, "dlfun", *FORMATS, "dlfun / PyTorch")
    return Rows(f"{TITLES[part]}: GFLOP/s of a direct convolution", header, rows)


def networks(report: Mapping[str, Any], settings: Mapping[str, Any]) -> Rows:
    """Milliseconds of a training step under Adam."""
    dlfun_times, torch_times = report["seconds"]["dlfun"], report["seconds"]["PyTorch"]
    rows = []
    for network in work(settings)[1]:
        here = {
            task.removeprefix(network.name).strip(): median(times)
            for task, times in dlfun_times.items()
            if task.startswith(network.name) and task.endswith("devices")
        }
        there = {way: median(torch_times[f"{network.name} {way}"]) for way in FORMATS}
        (way, best), (other, rival) = (min(d.items(), key=lambda i: i[1]) for d in (here, there))
        rows.append(
            (
                network.name,
                str(network.batch),
                *(f"{1e3 * t:.2f}" for t in list(here.values())[:2]),
                *(f"{1e3 * t:.2f}" for t in there.values()),
                f"{way}, {other}",
                f"{rival / best:.2f}",
            )
        )
    header = ("network", "batch", "1 device", "2 devices", *FORMATS, "used", "dlfun / PyTorch")
    return Rows("A training step: milliseconds", header, rows)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
