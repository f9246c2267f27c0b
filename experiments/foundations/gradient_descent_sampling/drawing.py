"""Schemes of sampling: loss against examples seen and against seconds."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from dlfun.experiment import Experiment
from dlfun.learner import Learner
from dlfun.metrics import values
from dlfun.plots.style import PALETTE, figure, tidy
from dlfun.train import loop

LABELS = {"full": "full batch", "line_search": "full batch, line search",
          "mini": "mini-batches", "single": "one example a step"}  # fmt: skip


def draw(experiment: Experiment, learners: Mapping[str, Learner]) -> Figure:
    """Train each learner alone, timed without compiling and evaluating, and draw its test loss."""
    size = experiment.dataset.size("train")
    drawn = figure(
        12, 5, "The smaller the batch, the more each example teaches; but its steps take time",
        f"test loss after each pass over {size:,} examples; each scheme alone on this machine",
    )  # fmt: skip
    left, right = drawn.subplots(1, 2, sharey=True)
    for number, (name, learner) in enumerate(learners.items()):
        alone = experiment._replace(learner=learner)
        timed, loss = [], []
        for progress in loop.fit(alone, loop.start(alone)):
            assert progress.evaluated is not None  # A piece is an epoch: it has one update.
            timed.append(size / progress.examples_per_second)
            loss.append(values(progress.evaluated["test"])["loss"])
        style = {"color": PALETTE[number], "linewidth": 2, "marker": "os^D"[number % 4]}
        label = LABELS.get(name, name)
        left.plot([size * (n + 1) for n in range(len(loss))], loss, label=label, **style)
        right.plot(
            [np.median(timed) * (n + 1) for n in range(len(loss))], loss, label=label, **style
        )
    right.set_xscale("log")
    right.xaxis.set_minor_formatter(NullFormatter())
    tidy(left, "examples seen", "test loss, mean per example")
    tidy(right, "seconds", "", legend=False)
    return drawn
