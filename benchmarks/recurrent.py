"""Cost of sequences of unequal length: what their real steps cost, and what padding costs.

`python -m benchmarks.recurrent --help`. Times are of the processor, on one core, of dlfun and
PyTorch in one process of one thread, by turns: what else runs on the machine then counts for
little. The ideal is dlfun's time on the same batches padded to the longest sequence of all, and
read without lengths, times the share of their steps that is real.
"""

import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from annotated_types import Ge, Le

from benchmarks.command import about, compare
from benchmarks.tables import Rows
from dlfun.data.order import by_length, shuffled
from dlfun.nn.layers.recurrent import Recurrent

AIM = 1.3
"""Most that batches of similar length may cost, in times of the ideal."""
WAYS = ("similar lengths", "any lengths", "padded")
"""Batches of similar lengths, of any lengths, and those of any lengths as if all were longest."""
Batches = Sequence[tuple[np.ndarray, np.ndarray]]
"""Each of sequences [batch, time, inputs] and their lengths."""


@dataclass(frozen=True)
class Benchmark:
    """Time recurrent layers on sequences of unequal length, in turns."""

    cells: tuple[Literal["rnn", "lstm", "gru"], ...] = ("rnn", "lstm", "gru")
    """Cells to time."""
    repeats: Annotated[int, Ge(1)] = 9
    """Runs of each program, of which the median is reported, after one to warm up."""
    batch: Annotated[int, Ge(1)] = 32
    """Sequences in a batch."""
    features: Annotated[int, Ge(1)] = 128
    """Size of the hidden state, and of each step of a sequence."""
    batches: Annotated[int, Ge(1), Le(50)] = 10
    """Batches in one run of a program, evenly out of 50 by their longest sequence."""
    quick: bool = False
    """Tiny sizes, once: only whether it runs."""
    json: Path | None = None
    """Write what was measured to this file."""
    markdown: bool = False
    """Print Markdown instead of tables."""


def data(benchmark: Benchmark) -> dict[str, Batches]:
    """Batches of noise, of 10 to 100 steps, by how they are put together."""
    rng, size = np.random.default_rng(0), 50 * benchmark.batch
    lengths = rng.integers(10, 101, size).astype(np.int32)
    x = rng.standard_normal((size, 100, benchmark.features), np.float32)
    orders = {"similar lengths": by_length(lengths), "any lengths": shuffled}
    made: dict[str, Batches] = {}
    for name, order in orders.items():
        batches = [(x[rows], lengths[rows]) for rows in order(0, 0, size, benchmark.batch)]
        batches.sort(key=lambda batch: batch[1].max())
        evenly = (2 * np.arange(benchmark.batches) + 1) * len(batches) // (2 * benchmark.batches)
        made[name] = [batches[k] for k in evenly]
    return made


def real_share(batches: Batches) -> float:
    """The real steps over those of the padded batches."""
    return sum(int(n.sum()) for _, n in batches) / sum(len(x) * x.shape[1] for x, _ in batches)


def in_dlfun(cell: str, batches: Batches, training: bool, padded: bool) -> Callable[[], None]:
    """A program that runs a layer over the batches: its outputs, or gradients of their squares.

    Gradients are those of parameters and sequences, as above an embedding.
    """
    features = batches[0][0].shape[-1]
    layer = Recurrent(features, cell)
    variables = jax.jit(layer.init)(jax.random.key(0), jnp.asarray(batches[0][0]))

    def outputs(variables: Any, x: Any, lengths: Any) -> jax.Array:
        return layer.apply(variables, x, None, lengths)[0]

    def loss(variables: Any, x: Any, lengths: Any) -> jax.Array:
        return jnp.square(outputs(variables, x, lengths)).sum()

    compiled = jax.jit(jax.grad(loss, (0, 1)) if training else outputs)
    held = [(jnp.asarray(x), None if padded else jnp.asarray(n)) for x, n in batches]

    def run() -> None:
        for x, lengths in held:
            jax.block_until_ready(compiled(variables, x, lengths))

    return run


def in_pytorch(cell: str, batches: Batches, training: bool, padded: bool) -> Callable[[], None]:
    """The same in PyTorch, on packed sequences where they are not padded."""
    import torch
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

    features = batches[0][0].shape[-1]
    kinds = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}
    layer = kinds[cell](features, features, batch_first=True)
    held = [
        (torch.tensor(x, requires_grad=training), torch.tensor(n, dtype=torch.int64))
        for x, n in batches
    ]

    def outputs(x: Any, lengths: Any) -> Any:
        if padded:
            return layer(x)[0]
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(layer(packed)[0], batch_first=True)[0]

    def run() -> None:
        for x, lengths in held:
            if not training:
                with torch.no_grad():
                    outputs(x, lengths)
                continue
            layer.zero_grad(set_to_none=True)
            x.grad = None
            outputs(x, lengths).square().sum().backward()

    return run


FRAMEWORKS = {"dlfun": in_dlfun, "PyTorch": in_pytorch}


def programs(cell: str, held: Mapping[str, Batches], training: bool) -> dict[str, Any]:
    """The programs to time, by name: a framework, then one of `WAYS`."""
    return {
        f"{framework}, {way}": make(
            cell, held["any lengths" if way == "padded" else way], training, way == "padded"
        )
        for framework, make in FRAMEWORKS.items()
        for way in WAYS
    }


def measure(benchmark: Benchmark) -> dict[str, Any]:
    """Measure: milliseconds of a batch, one for each repeat, by cell, work and program."""
    busy = os.getloadavg()[0]
    if hasattr(os, "sched_setaffinity"):  # Before JAX and PyTorch count the cores.
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    import torch

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    if benchmark.quick:
        benchmark = Benchmark(benchmark.cells, repeats=1, batch=2, features=4, batches=1)
    held = data(benchmark)
    times: dict[str, dict[str, dict[str, list[float]]]] = {}
    for cell in benchmark.cells:
        times[cell] = {}
        for work in ("training", "forward"):
            timed = programs(cell, held, work == "training")
            times[cell][work] = {name: [] for name in timed}
            for turn in range(benchmark.repeats + 1):
                for name, run in timed.items():
                    began = time.process_time()
                    run()
                    if turn:
                        seconds = time.process_time() - began
                        times[cell][work][name].append(1e3 * seconds / benchmark.batches)
            print(cell, work, file=sys.stderr)
    return {
        **about(),
        "load_before": busy,
        "repeats": benchmark.repeats,
        "shape": f"{benchmark.batch} sequences of 10 to 100 steps, {benchmark.features} features",
        "real_share": {way: real_share(batches) for way, batches in held.items()},
        "milliseconds": times,
    }


def tables(benchmark: Benchmark, report: Mapping[str, Any]) -> Iterable[Rows]:
    """Milliseconds of a batch, and the ratios to the ideal."""
    del benchmark
    shares = report["real_share"] | {"padded": report["real_share"]["any lengths"]}
    names = [f"{framework}, {way}" for framework in FRAMEWORKS for way in WAYS]
    for title, shown in (
        (f"Milliseconds of a batch of {report['shape']}", lambda times, name: median(times[name])),
        (
            f"Times of the ideal (aim for the first: {AIM} at most)",
            lambda times, name: over_ideal(times, name, shares),
        ),
    ):
        rows = [
            (cell, work, *(f"{shown(times, name):.2f}" for name in names))
            for cell, works in report["milliseconds"].items()
            for work, times in works.items()
        ]
        yield Rows(title, ("cell", "work", *names), rows)


def over_ideal(
    times: Mapping[str, Sequence[float]], name: str, shares: Mapping[str, float]
) -> float:
    """Median over the turns of a program's time over the ideal one of the same turn."""
    share = shares[name.split(", ")[1]]
    padded = times["dlfun, padded"]
    return median(t / (share * p) for t, p in zip(times[name], padded, strict=True))


def remark(report: Mapping[str, Any]) -> str:
    """A sentence that states the share of padded steps that are real."""
    share = report["real_share"]
    return f"Of the padded steps {share['similar lengths']:.0%} are real."


def main(arguments: Sequence[str]) -> int:
    """Measure, print the tables, and return the exit status."""
    return compare(Benchmark, arguments, "python -m benchmarks.recurrent", measure, tables, remark)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
