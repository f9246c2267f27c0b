"""Speed of energy-based and unsupervised learners beside other programs, in turns.

`python -m benchmarks.energy --help`. Rates are per second of processor time, of all threads: what
else runs on the machine then counts for little. A comparison is a function that returns the
programs to time, dlfun's first; to add one, add it to COMPARISONS.
"""

import importlib.util
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from annotated_types import Ge

from benchmarks import command, tables
from benchmarks.tables import Rows
from dlfun import data
from dlfun.algorithms.hopfield import hebb, recall, without_diagonal
from dlfun.algorithms.self_organizing_map import Grid, MapState, self_organizing_map
from dlfun.errors import UserError


class Comparison(NamedTuple):
    """Programs that do the same work, the first of them dlfun's."""

    work: str
    """The computation, and its data."""
    unit: str
    """The unit of the rate: spins or examples."""
    programs: Mapping[str, Callable[[], int]]
    """Programs by name; each runs to its end and returns its number of units of work."""


@dataclass(frozen=True)
class Benchmark:
    """Time the learners and what they are compared with, in turns."""

    comparisons: tuple[str, ...] = ()
    """Names of comparisons, all by default: hopfield, som_online, som_batch."""
    repeats: Annotated[int, Ge(1)] = 5
    """Runs of each program, of which the median is reported, after one to warm up."""
    quick: bool = False
    """Tiny sizes: only whether it runs."""
    markdown: bool = False
    """Print Markdown instead of a table."""


def hopfield(quick: bool) -> list[Comparison]:
    """Recall of patterns, with a share of wrong spins, beside NumPy's loop over the spins.

    A sweep visits each spin once. The loop updates one spin of all patterns at a time, by the
    product of a row of W with all of them. Both are exact, and rest at the same states.
    """
    made = []
    size = 200 if quick else 2000
    for wrong in (0.0, 0.1):
        rng = np.random.default_rng(0)
        patterns = 2 * rng.integers(0, 2, (size // 10, size)).astype(np.float32) - 1
        cues = np.where(rng.random(patterns.shape) < wrong, -patterns, patterns)
        weights = np.asarray(
            hebb(jnp.zeros((size, size)), jnp.asarray(patterns), jnp.ones(len(cues)))
        )
        bare = np.asarray(without_diagonal(jnp.asarray(weights)))
        rest, sweeps = swept(bare, cues)
        visited = sweeps * cues.size
        device = jnp.asarray(weights), jnp.asarray(cues)
        compiled = jax.jit(recall)
        if (np.asarray(compiled(*device)[0]) != rest).any():
            raise RuntimeError("dlfun and the loop over spins rest at other states")

        def ours(compiled: Any = compiled, device: Any = device, visited: int = visited) -> int:
            jax.block_until_ready(compiled(*device))
            return visited

        def loop(bare: np.ndarray = bare, cues: np.ndarray = cues, visited: int = visited) -> int:
            swept(bare, cues)
            return visited

        work = f"Hopfield recall, {len(cues)} patterns of {size:,} spins, {wrong:.0%} wrong"
        made.append(Comparison(work, "spins", {"dlfun": ours, "NumPy": loop}))
    return made


def swept(weights: np.ndarray, cues: np.ndarray) -> tuple[np.ndarray, int]:
    """The states at rest after sweeps over the spins, one after another, and their number."""
    spins, sweeps, changed = np.ascontiguousarray(cues.T), 0, True
    while changed:
        changed, sweeps = False, sweeps + 1
        for i, row in enumerate(weights):
            against = spins[i] * (row @ spins) < 0
            if against.any():
                spins[i] = np.where(against, -spins[i], spins[i])
                changed = True
    return spins.T, sweeps


def som_online(quick: bool) -> list[Comparison]:
    """An epoch of the online rule, beside MiniSom's `train_batch`."""
    return [_som(name, x, quick, "online") for name, x in _examples(quick).items()]


def som_batch(quick: bool) -> list[Comparison]:
    """An epoch of the batch rule, beside MiniSom's `train_batch_offline`."""
    return [_som(name, x, quick, "batch") for name, x in _examples(quick).items()]


def _examples(quick: bool) -> dict[str, np.ndarray]:
    count = 100 if quick else 2000
    digits = data.load("mnist").splits["train"]["image"][:count].reshape(count, -1)
    colours = np.random.default_rng(0).random((count, 3), np.float32)
    return {"colours": colours, "MNIST": digits.astype(np.float32) / 255}


def _som(name: str, x: np.ndarray, quick: bool, rule: Any) -> Comparison:
    """A comparison under one rule; MiniSom reads a tenth of the examples, enough to time it."""
    from minisom import MiniSom

    side, sigma, few = (5 if quick else 20), 3.0, max(1, len(x) // 10)
    learner = self_organizing_map(
        Grid(side, side), x, len(x) if rule == "online" else 1, radius=sigma, rule=rule
    )
    update, key = jax.jit(learner.update), jax.random.key(0)
    batch = {"x": jnp.asarray(x), "weight": jnp.ones(len(x))}
    start = MapState(jnp.asarray(np.resize(x, (side**2, x.shape[1]))), jnp.int32(0))
    som, part = MiniSom(side, side, x.shape[1], sigma=sigma), x[:few].astype(np.float64)
    som._weights = np.asarray(start.weights, np.float64).reshape(side, side, -1)

    def run_dlfun() -> int:
        jax.block_until_ready(update(start, batch, key))
        return len(x)

    def run_minisom() -> int:
        if rule == "online":
            som.train_batch(part, few)
        else:
            som.train_batch_offline(part, 1)
        return few

    work = f"SOM of {side} × {side}, {rule}, {name} of {x.shape[1]} numbers"
    return Comparison(work, "examples", {"dlfun": run_dlfun, "MiniSom": run_minisom})


COMPARISONS: dict[str, Callable[[bool], list[Comparison]]] = {
    "hopfield": hopfield,
    "som_online": som_online,
    "som_batch": som_batch,
}


def timed(comparison: Comparison, repeats: int) -> dict[str, list[float]]:
    """Units a second of processor time of each program, after one run of each to warm up."""
    rates: dict[str, list[float]] = {name: [] for name in comparison.programs}
    for turn in range(repeats + 1):
        for name, program in comparison.programs.items():
            began = time.process_time()
            done = program()
            if turn:
                rates[name].append(done / (time.process_time() - began))
    return rates


def rows(comparison: Comparison, repeats: int) -> list[tuple[str, ...]]:
    """A row for each program that dlfun is compared with."""
    rates = {name: median(samples) for name, samples in timed(comparison, repeats).items()}
    (_, ours), *others = rates.items()
    return [
        (
            comparison.work,
            comparison.unit,
            f"{ours:,.0f}",
            f"{rate:,.0f}",
            name,
            f"{ours / rate:.1f}",
        )
        for name, rate in others
    ]


def main(arguments: Sequence[str]) -> int:
    """Measure, print the table, and return the exit status."""
    try:
        benchmark = command.parse(Benchmark, arguments, "python -m benchmarks.energy")
        chosen = benchmark.comparisons or tuple(COMPARISONS)
        for name in chosen:
            if name not in COMPARISONS:
                raise UserError(f"no comparison '{name}': expected {', '.join(COMPARISONS)}")
        if importlib.util.find_spec("minisom") is None:
            raise UserError("MiniSom, to compare with, is not installed: pip install 'dlfun[test]'")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    measured = [
        row
        for name in chosen
        for comparison in COMPARISONS[name](benchmark.quick)
        for row in rows(comparison, benchmark.repeats)
    ]
    header = ("work", "counted", "dlfun, 1/s", "other, 1/s", "other", "dlfun / other")
    table = Rows("Energy-based and unsupervised learners", header, measured)
    print(tables.markdown(table)) if benchmark.markdown else tables.show(table)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
