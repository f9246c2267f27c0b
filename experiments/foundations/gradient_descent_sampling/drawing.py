"""Schemes of sampling: loss against examples seen and against seconds."""

import time
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from dlfun.data import Dataset
from dlfun.learner import Learner
from dlfun.plots.style import PALETTE, figure, tidy
from dlfun.random import stream
from dlfun.train.gather import evaluate_split, gather

LABELS = {"full": "full batch", "line_search": "full batch, line search",
          "mini": "mini-batches", "single": "one example a step"}  # fmt: skip


def loss_by_cost(
    dataset: Dataset, learners: Mapping[str, Learner], epochs: int, seed: int
) -> Figure:
    """Train each learner alone, timed without compiling and evaluating, and draw its test loss."""
    size = dataset.size("train")
    drawn = figure(
        12, 5, "The smaller the batch, the more each example teaches; but its steps take time",
        f"test loss after each pass over {size:,} examples; each scheme alone on this machine",
    )  # fmt: skip
    left, right = drawn.subplots(1, 2, sharey=True)
    passes = np.arange(1, epochs + 1)
    for number, (name, learner) in enumerate(learners.items()):
        losses, seconds = losses_and_seconds(dataset, learner, epochs, seed)
        style = {"color": PALETTE[number], "linewidth": 2, "marker": "os^D"[number % 4]}
        left.plot(size * passes, losses, label=LABELS.get(name, name), **style)
        right.plot(seconds * passes, losses, label=LABELS.get(name, name), **style)
    right.set_xscale("log")
    right.xaxis.set_minor_formatter(NullFormatter())
    tidy(left, "examples seen", "test loss, mean per example")
    tidy(right, "seconds", "", legend=False)
    return drawn


def losses_and_seconds(
    dataset: Dataset, learner: Learner, epochs: int, seed: int
) -> tuple[list[float], float]:
    """The test loss after each epoch of one update, and the median seconds of an update."""
    size, key = dataset.size("train"), stream(seed, "update")
    train = {name: jnp.asarray(array) for name, array in dataset.splits["train"].items()}
    orders = [jnp.asarray(dataset.order(seed, e, size, size)[0]) for e in range(epochs)]
    state = learner.init(stream(seed, "init"), gather(train, jnp.zeros(1, jnp.int32)))
    update = jax.jit(learner.update).lower(state, gather(train, orders[0]), key).compile()
    losses, seconds = [], []
    for epoch, indices in enumerate(orders):
        batch, update_key = gather(train, indices), jax.random.fold_in(key, epoch)
        start = time.perf_counter()
        state, _ = jax.block_until_ready(update(state, batch, update_key))
        seconds.append(time.perf_counter() - start)
        losses.append(evaluate_split(learner, state, dataset.splits["test"])["loss"])
    return losses, float(np.median(seconds))
