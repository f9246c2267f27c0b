"""Pruning: the trials to stop early, by their metrics so far and those of earlier trials."""

from collections.abc import Mapping, Sequence
from typing import Any

import optuna

from dlfun.sweep.plan import Search, silence_optuna

Curve = Mapping[int, float]
"""The metric, averaged over seeds, by epoch."""


def rungs(search: Search, epochs: int) -> list[int]:
    """The epochs after which trials are compared: 1, 2, 4, … and the last."""
    powers = [2**k for k in range(epochs.bit_length()) if 2**k < epochs]
    return [*(powers if search.prune != "none" else []), epochs]


def pruned(
    search: Search, maximize: bool, before: Sequence[Curve], now: Mapping[int, Curve]
) -> set[int]:
    """The trials of `now` to stop.

    Optuna's pruners decide on a study made for the question, so that the answer depends on the
    curves alone: a sweep that was killed decides what the unbroken one would.

    Args:
        search: which pruner.
        maximize: whether more is better.
        before: curves of the trials of earlier batches that were trained to their end.
        now: those of this batch by number, each up to the same epoch.
    """
    silence_optuna(optuna)
    pruner: Any = {
        "none": optuna.pruners.NopPruner(),
        "median": optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=0),
        "halving": optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=2),
    }[search.prune]
    study = optuna.create_study(direction="maximize" if maximize else "minimize", pruner=pruner)
    for curve in before:
        last = curve[max(curve)]
        study.add_trial(optuna.trial.create_trial(value=last, intermediate_values=dict(curve)))
    asked = {number: study.ask() for number in sorted(now)}
    stopped: set[int] = set()
    for epoch in sorted({epoch for curve in now.values() for epoch in curve}):
        for number, trial in asked.items():
            if number not in stopped and epoch in now[number]:
                trial.report(now[number][epoch], epoch)
                if trial.should_prune():
                    stopped.add(number)
    return stopped
