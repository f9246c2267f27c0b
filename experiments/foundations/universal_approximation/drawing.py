"""Networks of several widths on a curve."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from dlfun.experiment import Trained
from dlfun.plots.style import PALETTE, figure, tidy


def approximations(trained: Trained, errors: Mapping[str, Any]) -> Figure:
    """Left the curve and three of the networks by width, right the test error of all.

    `errors` is a row of metrics.jsonl.
    """
    widths = trained.config.widths
    error = [errors[f"width_{width}_loss"] for width in widths]
    best = int(np.argmin(error))
    drawn = figure(
        12, 5, f"Wider is closer: from {widths[0]} to {widths[best]} hidden units"
        f" the error falls {error[0] / error[best]:,.0f}-fold",
        "one hidden layer of tanh units; where wider is no better, the training is the limit",
    )  # fmt: skip
    left, right = drawn.subplots(1, 2, width_ratios=(1.4, 1))
    test = trained.dataset.splits["test"]
    assert trained.learner.predict is not None
    curves = trained.learner.predict(trained.state, {"x": jnp.asarray(test["x"])})
    left.plot(test["x"], test["y"], color="#999999", linewidth=5, alpha=0.6, label="the curve")
    chosen = sorted({widths[0], widths[len(widths) // 2], widths[-1]})
    for number, width in enumerate(chosen):
        style = {"color": PALETTE[number], "linestyle": ("--", "-.", "-")[number % 3]}
        left.plot(test["x"], curves[f"width_{width}"], label=f"width {width}", **style)
    tidy(left, "x", "y")
    right.plot(widths, error, "s-", color=PALETTE[1], linewidth=2)
    right.set_xscale("log", base=2)
    right.set_yscale("log")
    right.set_xticks(widths, [str(width) for width in widths])
    tidy(right, "hidden units", "test error, mean of squares", legend=False)
    return drawn
