"""The overlap of stored random patterns with where a Hopfield network comes to rest, by load."""

from collections.abc import Mapping, Sequence
from functools import partial

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
    patterns: Int8[Array, "patterns spins"], count: int | Array, rule: str, probed: int
) -> Float[Array, ""]:
    """The mean overlap of the first `probed` patterns with the rest that is reached from each.

    The network has stored the first `count` patterns.
    """
    spins, x = patterns.shape[1], patterns.astype(jnp.float32)
    stored = (jnp.arange(len(x)) < count).astype(x.dtype)
    weights = RULES[rule](jnp.zeros((spins, spins)), x, stored)
    return overlap(recall(weights, x[:probed])[0], x[:probed]).mean()


def retention(
    loads: Mapping[str, Sequence[float]], spins: Mapping[str, int], most: Mapping[float, int]
) -> Learner:
    """Learner that measures networks, of which each example holds the patterns.

    The metric RULE_at_LOAD is the overlap m, mean over patterns and networks. Updates change and
    measure nothing.

    Args:
        loads: loads α by rule.
        spins: spins N of a network by rule.
        most: number of patterns recalled at a load, where it is not all that are stored.
    """

    def init(key: Key, batch: Batch) -> Array:
        return jnp.zeros(())  # A checkpoint needs an array.

    def update(state: Array, batch: Batch, key: Key) -> tuple[Array, Metrics]:
        return state, {}

    def evaluate(state: Array, batch: Batch, key: Key) -> Metrics:
        measured: Metrics = {}
        for rule, load in ((rule, load) for rule, chosen in loads.items() for load in chosen):
            count = patterns_at(load, spins[rule])
            probed = min(count, most.get(load, count))
            measure = partial(kept, count=count, rule=rule, probed=probed)
            m = lax.map(measure, batch["patterns"][:, :count, : spins[rule]])
            measured[f"{rule}_at_{load:g}"] = metrics.mean(m, batch["weight"])
        return measured

    return Learner(init, update, evaluate)
