"""The overlap of stored patterns against the load, with the theory of Amit et al."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from scipy.special import erf

from dlfun.plots.style import PALETTE, figure, tidy

from .loads import kept, patterns_at

SMALL = 1000
GRID = (0.04, 0.06, 0.08, 0.1, 0.11, 0.12, 0.13, 0.14, 0.15, 0.16, 0.18, 0.2)


def theory(points: int = 400) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, " points"]]:
    """Loads α, rising to the largest at which patterns are kept, and the overlap m at each.

    m = erf(y) and √(2α) = erf(y)/y − (2/√π) exp(−y²): so each y gives an α. The overlap falls with
    α on the branch of large y, which ends where α is largest.
    """
    y = np.linspace(6, 0.5, 20 * points)
    root = erf(y) / y - 2 / np.sqrt(np.pi) * np.exp(-(y**2))
    end = int(np.argmax(root))
    return root[:end] ** 2 / 2, erf(y[:end])


def small_network(spins: int, seed: int) -> list[float]:
    """The overlap under Hebb's rule at each load of the grid, of one network of `spins` spins."""
    draw = np.random.Generator(np.random.Philox(key=seed))
    counts = [patterns_at(load, spins) for load in GRID]
    patterns = jnp.asarray(2 * draw.integers(0, 2, (max(counts), spins), np.int8) - 1)
    measure = partial(kept, patterns, rule="hebb", probed=min(counts))
    return jax.jit(partial(jax.lax.map, measure))(jnp.asarray(counts)).tolist()


def overlap_by_load(
    config: Any, row: Mapping[str, Any], hebb: Sequence[float], pseudo_inverse: Sequence[float]
) -> Figure:
    """Measured overlaps, those of a smaller network, and the theory of infinitely many spins.

    `row` is a row of metrics.jsonl, with RULE_at_LOAD.
    """
    loads, m = theory()
    drawn = figure(
        11.5, 5, f"Memory under Hebb's rule ends at once, at {loads[-1]:.3f} patterns a spin",
        "overlap m of a stored pattern with where the network comes to rest from it",
    )  # fmt: skip
    left, right = drawn.subplots(1, 2)
    limit = "Hebb, N → ∞ (Amit et al. 1985)"
    large = f"Hebb, {config.networks} networks of {config.spins:,} spins"
    measured = np.array([row[f"hebb_at_{load:g}"] for load in hebb])
    kept_loads = np.array(hebb) < loads[-1]
    left.plot(loads, 1 - m, color=PALETTE[6], linewidth=2)
    left.plot(np.array(hebb)[kept_loads], 1 - measured[kept_loads], "o", color=PALETTE[1],
              markersize=9)  # fmt: skip
    left.set(yscale="log", xlim=(0.04, 0.145), ylim=(1e-6, 0.1))
    tidy(left, "load α, patterns a spin", "1 − m", legend=False)
    right.plot(loads, m, color=PALETTE[6], linewidth=2, label=limit)
    right.vlines(loads[-1], 0, m[-1], color=PALETTE[6], linestyle=":", linewidth=2)
    label = f"Hebb, one network of {SMALL:,} spins"
    right.plot(GRID, small_network(SMALL, config.seed), "^--", color=PALETTE[5], label=label)
    right.plot(hebb, measured, "o", color=PALETTE[1], markersize=9, label=large)
    values = [row[f"pseudo_inverse_at_{load:g}"] for load in pseudo_inverse]
    right.plot(pseudo_inverse, values, "s-", color=PALETTE[2], markersize=8, label="pseudo-inverse")
    right.set(xscale="log", xlim=(0.04, 1), ylim=(0, 1.05))
    ticks = (0.05, 0.1, 0.138, 0.2, 0.5, 0.9)
    right.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    right.minorticks_off()
    tidy(right, "load α, patterns a spin", "overlap m", legend=False)
    handles, labels = right.get_legend_handles_labels()
    drawn.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    return drawn
