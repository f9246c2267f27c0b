"""The overlap of stored random patterns with where a Hopfield network comes to rest, by load."""

from collections.abc import Mapping, Sequence

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int8

from dlfun import metrics
from dlfun.algorithms.hopfield import RULES, overlap, recall
from dlfun.learner import Batch, Key, Learner
from dlfun.metrics import Metrics


def patterns_at(load: float, spins: int) -> int:
    """The number of patterns αN, at least one."""
    return max(1, round(load * spins))


def kept(
    patterns: Int8[Array, "patterns spins"], rule: str, load: float, spins: int, most: int | None
) -> Float[Array, ""]:
    """The mean overlap of stored patterns, at most `most` of them, with the rest reached from each.

    The network has the first `spins` spins of the first `load` · `spins` patterns.
    """
    stored = patterns[: patterns_at(load, spins), :spins].astype(jnp.float32)
    weights = RULES[rule](jnp.zeros((spins, spins)), stored, jnp.ones(len(stored)))
    start = stored[:most]
    return overlap(recall(weights, start)[0], start).mean()


def retention(
    loads: Mapping[str, Sequence[float]], spins: Mapping[str, int], most: Mapping[float, int]
) -> Learner:
    """Learner that measures networks, of which each example holds the patterns.

    The metric RULE_at_LOAD is the overlap m, mean over patterns and networks. Updates change and
    measure nothing.

    Args:
        loads: loads α by rule.
        spins: spins N of a network by rule.
        most: number of patterns to recall at a load, where it is not all.
    """

    def init(key: Key, batch: Batch) -> Array:
        return jnp.zeros(())  # A checkpoint needs an array.

    def update(state: Array, batch: Batch, key: Key) -> tuple[Array, Metrics]:
        return state, {}

    def evaluate(state: Array, batch: Batch, key: Key) -> Metrics:
        measured: Metrics = {}
        for rule, chosen in loads.items():
            for load in chosen:
                m = lax.map(
                    lambda network, rule=rule, load=load: kept(
                        network, rule, load, spins[rule], most.get(load)
                    ),
                    batch["patterns"],
                )
                measured[f"{rule}_at_{load:g}"] = metrics.mean(m, batch["weight"])
        return measured

    return Learner(init, update, evaluate)
