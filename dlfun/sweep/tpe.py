"""Proposals of the tree-structured Parzen estimator, the same again after an interruption."""

from typing import Any

import numpy as np
import optuna
from optuna.trial import TrialState

from dlfun.sweep.plan import Plan, silence_optuna
from dlfun.sweep.space import suggest


class Proposals:
    """The points that tpe has proposed in a sweep, by the numbers of their trials."""

    def __init__(self, plan: Plan) -> None:
        silence_optuna(optuna)
        self.space, self.seed = plan.space, plan.search.search_seed
        self.study = optuna.create_study()
        self.asked: list[optuna.Trial] = []
        self.points: list[dict[str, Any]] = []

    @property
    def count(self) -> int:
        """Number of proposals so far."""
        return len(self.points)

    def values(self, number: int) -> dict[str, Any]:
        """The point of a trial."""
        return self.points[number]

    def propose(self, number: int) -> dict[str, Any] | None:
        """Optuna's parameters of a new trial; None for one that was proposed before."""
        if number < self.count:
            return None
        self.study.sampler = sampler(self.seed, number)
        trial = self.study.ask()
        self.points.append(suggest(self.space, trial))
        self.asked.append(trial)
        return dict(trial.params)

    def again(self, number: int, params: dict[str, Any]) -> None:
        """Take up a recorded proposal. Raises ValueError where it is not the next one."""
        if number != self.count:
            raise ValueError(f"expected the proposal of trial {self.count}")
        self.study.enqueue_trial(params)
        trial = self.study.ask()
        self.points.append(suggest(self.space, trial))
        self.asked.append(trial)

    def tell(self, number: int, value: float | None) -> None:
        """Let later proposals know the value of a trial, or that it was pruned."""
        state = TrialState.PRUNED if value is None else TrialState.COMPLETE
        self.study.tell(self.asked[number], value, state=state)


def sampler(seed: int, number: int) -> optuna.samplers.TPESampler:
    """The sampler of a trial, from the search's seed and the trial's number.

    So a sweep that was killed proposes the same points as an uninterrupted one.
    """
    entropy = np.random.SeedSequence([seed, number])
    return optuna.samplers.TPESampler(
        seed=int(entropy.generate_state(1)[0]), multivariate=True, constant_liar=True
    )
