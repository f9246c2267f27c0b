"""Learning curves of agents: the return of an episode against the number of steps or episodes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from dlfun.environments import Environment
from dlfun.plots.style import INK, PALETTE, figure, tidy


def returns(
    title: str,
    rows: Sequence[dict[str, Any]],
    labels: Mapping[str, str],
    environment: Environment,
    per_epoch: int,
    unit: str,
) -> Figure:
    """A panel for each agent: its mean return in training, and in evaluation with a band.

    Rows are those of metrics.jsonl, with the metrics "return" and "squared_return" after what
    `labels` maps to an agent's name. The band is one standard deviation of an episode on each side.

    Args:
        title: what is seen.
        rows: of the splits "train" and "test".
        labels: beginning of the metrics' names → name of the agent.
        environment: in which they act.
        per_epoch: `unit`s in an epoch.
        unit: what is counted along the axis: steps or episodes.
    """
    drawn = figure(
        5.5 * max(len(labels), 1.4), 4.8, title,
        f"dotted: {environment.name} counts as solved; band: ± 1 standard deviation of an episode",
    )  # fmt: skip
    for axes, (prefix, label) in zip(
        drawn.subplots(1, len(labels), sharey=True, squeeze=False)[0], labels.items(), strict=True
    ):
        for split, colour, name in (
            ("train", PALETTE[0], "training, mean over the epoch"),
            ("test", PALETTE[1], "evaluation, at the epoch's end"),
        ):
            chosen = [r for r in rows if r["split"] == split and f"{prefix}return" in r]
            across = per_epoch * np.array([row["epoch"] for row in chosen])
            mean = np.array([row[f"{prefix}return"] for row in chosen])
            axes.plot(across, mean, color=colour, marker="o", markersize=4, linewidth=2, label=name)
            if split == "test":
                square = np.array([row[f"{prefix}squared_return"] for row in chosen])
                sd = np.sqrt(np.maximum(square - mean**2, 0))
                axes.fill_between(
                    across, mean - sd, mean + sd, color=colour, alpha=0.18, linewidth=0
                )
        axes.axhline(environment.threshold, color=INK, linestyle=":")
        axes.set_title(label)
        axes.set_ylim(bottom=0)
        tidy(axes, f"{unit} of training", "return of an episode")
    return drawn
