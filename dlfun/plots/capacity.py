"""Errors against a model's capacity, and the curves that models of several capacities fit."""

from collections.abc import Mapping

import jax.numpy as jnp
from matplotlib.figure import Figure

from dlfun.algorithms.linear_regression import Linear, polynomial, predict
from dlfun.data import Dataset
from dlfun.plots.style import COLOURS, LABEL, PALETTE, figure, tidy


def error_by_capacity(
    title: str,
    errors: Mapping[str, Mapping[str, float]],
    names: Mapping[int, str],
    capacity: str,
    peak: int | None = None,
) -> Figure:
    """Training and test error by capacity; `names` gives the learner's name of each capacity.

    With `peak`, a capacity to be marked, the capacities lie on a logarithmic axis, and the best is
    sought below it.
    """
    test = {size: errors["test"][f"{name}_loss"] for size, name in names.items()}
    below = [size for size in test if size <= (peak or size)] or list(test)
    best = min(below, key=lambda size: test[size])
    sizes = dict.fromkeys((best, min(test), peak if peak in test else max(test), max(test)))
    detail = ", ".join(f"{test[size]:.3g} at {size}" for size in sizes)
    drawn = figure(8, 5, title.format(best=best), f"test error {detail}")
    axes = drawn.subplots()
    for split, marker in (("train", "o"), ("test", "s")):
        values = [errors[split][f"{name}_loss"] for name in names.values()]
        axes.plot(
            list(names), values, color=COLOURS[split], marker=marker, linewidth=2, label=split
        )
    axes.axvline(best, color="#999999", linestyle="--", linewidth=1)
    axes.set_yscale("log")
    if peak:
        axes.set_xscale("log")
        axes.axvline(peak, color="#999999", linestyle=":", linewidth=1)
    axes.set_xticks(list(names), [f"{size:,}" for size in names])
    axes.minorticks_off()
    tidy(axes, capacity, "mean squared error")
    return drawn


def polynomial_fits(
    dataset: Dataset, states: Mapping[str, Linear], names: Mapping[int, str]
) -> Figure:
    """Polynomials of the lowest, the best and the highest degree through the training points."""
    test, train = dataset.splits["test"], dataset.splits["train"]
    x = jnp.asarray(test["x"])
    curves = {d: predict(states[name], polynomial(d)(x)) for d, name in names.items()}
    error = {degree: float(jnp.square(y - test["y"]).mean()) for degree, y in curves.items()}
    best = min(error, key=lambda degree: error[degree])
    chosen = {"underfits": min(names), "fits": best, "overfits": max(names)}
    title = ", ".join(f"degree {degree} {word}" for word, degree in chosen.items())
    drawn = figure(12, 4.4, title[0].upper() + title[1:])
    for axes, (word, degree) in zip(drawn.subplots(1, 3, sharey=True), chosen.items(), strict=True):
        axes.plot(test["x"], test["y"], color="#999999", linestyle="--", label="truth")
        axes.plot(train["x"], train["y"], "o", color=PALETTE[0], label="training points")
        axes.plot(x, curves[degree], color=PALETTE[1], linewidth=2, label="fit")
        axes.set_title(f"degree {degree} {word}", fontsize=LABEL)
        axes.set_ylim(-2, 2)
        tidy(axes, "x", "y" if word == "underfits" else "", legend=word == "underfits")
    return drawn
