"""Importance of hyperparameters: PED-ANOVA over the completed trials."""

import math
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from dlfun.plots.style import COLOURS, INK, LABEL, figure, percent
from dlfun.sweep.dimension import Dimension
from dlfun.sweep.figures.scale import Sweep, counted, metric_name, name

ENOUGH = 10
"""Completed trials below which a share would be noise."""


def shares(sweep: Sweep, dimensions: list[Dimension]) -> dict[str, float]:
    """The importance of each dimension for being in the best tenth of trials; they sum to 1.

    PED-ANOVA (Watanabe, Bansal and Hutter, 2023). Empty where trials are too few or all alike.
    """
    if len(sweep.rows) < ENOUGH or sweep.rows[0].mean == sweep.rows[-1].mean:
        return {}
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        study = optuna.create_study(direction="maximize" if sweep.maximize else "minimize")
        for row in sweep.rows:
            values = row.trial.values
            parameters = [_parameter(d, values[d.path]) for d in dimensions if d.path in values]
            study.add_trial(
                optuna.trial.create_trial(
                    params={path: value for path, value, _ in parameters},
                    distributions={path: kind for path, _, kind in parameters},
                    value=row.mean,
                )
            )
        importances = optuna.importance.get_param_importances(
            study, evaluator=optuna.importance.PedAnovaImportanceEvaluator()
        )
    finally:
        optuna.logging.set_verbosity(before)
    total = sum(importances.values())
    return dict(importances) if total > 0 and math.isfinite(total) else {}


def _parameter(d: Dimension, value: Any) -> tuple[str, Any, Any]:
    """Path, value and distribution as optuna knows them."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if d.kind == "list":
        return d.path, repr(value), CategoricalDistribution([repr(v) for v in d.values])
    if d.values:
        return d.path, d.values.index(value), IntDistribution(0, len(d.values) - 1)
    if isinstance(d.low, int):
        return d.path, value, IntDistribution(d.low, int(d.high), log=True)
    return d.path, value, FloatDistribution(d.low, d.high, log=d.kind == "log")


def draw(sweep: Sweep, importances: dict[str, float]) -> Figure:
    """A bar a dimension, the most important on top."""
    order = sorted(importances, key=lambda path: importances[path])
    title = f"{sweep.experiment}: {name(order[-1])} matters most for {metric_name(sweep.metric)}"
    drawn = figure(7.5, 1.9 + 0.5 * len(order), title, f"PED-ANOVA, {counted(sweep.rows)}")
    axes = drawn.subplots()
    bars = axes.barh([name(path) for path in order], [importances[path] for path in order], 0.65)
    for bar, path in zip(bars, order, strict=True):
        bar.set_color(COLOURS["train"])
        axes.annotate(
            percent(importances[path], 0), (importances[path], bar.get_y() + bar.get_height() / 2),
            xytext=(5, 0), textcoords="offset points", va="center", fontsize=LABEL, color=INK,
        )  # fmt: skip
    axes.set_xlim(0, 1.15 * max(importances.values()))
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    axes.set_xlabel("share in what sets the best tenth of trials apart", fontsize=LABEL)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=LABEL - 1, labelcolor=INK)
    axes.grid(axis="x", color="#dddddd")
    axes.set_axisbelow(True)
    return drawn
