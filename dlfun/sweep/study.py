"""The record of a sweep in an Optuna storage: claims on trials, and their results.

One process works on a sweep whose storage lies in its folder: trials that are claimed there were
lost by a process that died, and it trains them. A storage that is named by URL may be shared:
trials are claimed atomically. A process renews its claims by heartbeats; a trial whose heartbeat is
older than GRACE seconds becomes available again.
"""

import ast
import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.trial import TrialState

from dlfun.errors import UserError
from dlfun.sweep.plan import STUDY, Plan, silence_optuna
from dlfun.sweep.space import suggest
from dlfun.sweep.table import Trial

HEARTBEAT, GRACE = 5, 30
"""Heartbeat interval and time-out of a claim, in seconds."""
ALIVE = (TrialState.WAITING, TrialState.RUNNING, TrialState.COMPLETE, TrialState.PRUNED)


class Study:
    """The trials of a sweep in its storage."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        silence_optuna(optuna)
        self.plan, self.space, self.total = plan, plan.space, plan.count
        self.shared = plan.search.storage is not None
        url = plan.search.storage or f"sqlite:///{(folder / STUDY).absolute()}"
        name = plan.search.study or plan.experiment
        try:
            self.storage = _storage(url, self.shared)
            self.study = optuna.create_study(storage=self.storage, study_name=name)
            mine = True
        except optuna.exceptions.DuplicatedStudyError:
            self.study = optuna.load_study(storage=self.storage, study_name=name)
            mine = not self.shared
        except Exception as error:  # Whatever the driver of that database raises.
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            raise UserError(f"--storage {url} cannot be reached: {reason}") from None
        self._agree(mine)

    def _agree(self, mine: bool) -> None:
        """Record the search and the trials that are known, or compare with what is recorded."""
        search = self.plan.search
        asked = repr((self.plan.config, search.over, search.seeds, search.strategy, self.total))
        patience = time.monotonic() + GRACE
        while not mine and "plan" not in self.study.user_attrs and time.monotonic() < patience:
            time.sleep(0.1)  # The process that made the study is writing it.
        if "plan" not in self.study.user_attrs:
            known = {t.user_attrs.get("index") for t in self.study.get_trials(deepcopy=False)}
            for index, proposed in enumerate(self.plan.points or []):
                if index not in known:
                    attributes = {"index": index, "point": repr(proposed)}
                    waiting = optuna.trial.create_trial(
                        state=TrialState.WAITING, user_attrs=attributes
                    )
                    self.study.add_trial(waiting)
            self.study.set_user_attr("plan", asked)
        elif self.study.user_attrs["plan"] != asked:
            raise UserError(
                f"the study '{self.study.study_name}' in {self.plan.search.storage} searches "
                "something else: name another with --study"
            )

    def claim(self, count: int) -> list[optuna.Trial]:
        """Trials to be trained by this process; none when all are done or taken.

        Up to `count`. A sweep of one process claims the batch that it would have had, unbroken:
        trials n·count to (n+1)·count for the first n that has any left.
        """
        claimed: list[optuna.Trial] = []
        if self.shared:
            optuna.storages.fail_stale_trials(self.study)
        else:
            lost = self._in(TrialState.RUNNING)
            claimed = [optuna.Trial(self.study, trial._trial_id) for trial in lost]
            first = min((number(t) for t in lost), default=len(self._in(*ALIVE[1:])))
            end = (first // count + 1) * count
            count = min(count, end - len(self._in(*ALIVE[1:])) + len(claimed))
        while len(claimed) < count and self._left():
            trial = self.study.ask()
            if self._too_many(trial):
                self.study.tell(trial, state=TrialState.FAIL)  # Another took the last one.
                break
            claimed.append(trial)
        for trial in claimed:
            if self.shared:
                self.storage.record_heartbeat(trial._trial_id)
            if "point" not in trial.user_attrs:
                trial.set_user_attr("point", repr(self._propose(trial)))
        return claimed

    def busy(self) -> bool:
        """True if another process still trains a trial, which may become available again."""
        return self.shared and bool(self._in(TrialState.RUNNING))

    def _left(self) -> bool:
        free = self.total - len(self._in(*ALIVE)) if self.plan.search.strategy == "tpe" else 0
        return bool(self._in(TrialState.WAITING)) or free > 0

    def _too_many(self, trial: optuna.Trial) -> bool:
        if "point" in trial.user_attrs:
            return False
        before = sum(other.number < trial.number for other in self._in(*ALIVE))
        return self.plan.search.strategy != "tpe" or before >= self.total

    def _in(self, *states: TrialState) -> list[Any]:
        return self.study.get_trials(deepcopy=False, states=states)

    def _propose(self, trial: optuna.Trial) -> dict[str, Any]:
        """A point, from the search's seed, the trial's number and the results so far.

        So a sweep that was killed proposes the same points as an uninterrupted one.
        """
        entropy = np.random.SeedSequence([self.plan.search.search_seed, trial.number])
        seed = int(entropy.generate_state(1)[0])
        self.study.sampler = optuna.samplers.TPESampler(
            seed=seed, multivariate=True, constant_liar=True
        )
        return suggest(self.space, optuna.Trial(self.study, trial._trial_id))

    @contextlib.contextmanager
    def alive(self, trials: list[optuna.Trial]) -> Iterator[None]:
        """Renew the claims on trials while they are trained."""
        done = threading.Event()

        def beat() -> None:
            while not done.wait(HEARTBEAT):
                for trial in trials:
                    self.storage.record_heartbeat(trial._trial_id)

        thread = threading.Thread(target=beat, daemon=True)
        if self.shared:
            thread.start()
        try:
            yield
        finally:
            done.set()

    def tell(self, trial: optuna.Trial, result: Trial, value: float | None) -> None:
        """Record the results of a trial; without a value it was pruned or failed."""
        trial.set_user_attr("status", result.status)
        results = {str(seed): one for seed, one in result.results.items()}
        trial.set_user_attr("results", results)
        state = TrialState.PRUNED if value is None else TrialState.COMPLETE
        self.study.tell(trial, value, state=state)

    def trials(self) -> list[Trial]:
        """All trials, in the order in which they were proposed."""
        trials = []
        for trial in self.study.get_trials(deepcopy=False):
            attributes = trial.user_attrs
            if trial.state == TrialState.FAIL or "point" not in attributes:
                continue
            status = attributes.get("status", trial.state.name.lower())
            results = {int(seed): r for seed, r in attributes.get("results", {}).items()}
            trials.append(Trial(number(trial), point(trial), status, results))
        return sorted(trials, key=lambda trial: trial.number)


def number(trial: Any) -> int:
    """A trial's place in the sweep, which it keeps when it is put back."""
    return trial.user_attrs.get("index", trial.number)


def point(trial: Any) -> dict[str, Any]:
    """The values of a trial, by path."""
    return ast.literal_eval(trial.user_attrs["point"])


def _storage(url: str, shared: bool) -> Any:
    engine: dict[str, Any] = {}
    if url.startswith("sqlite"):
        engine = {"connect_args": {"timeout": 60}}  # Others may be writing.
    if not shared:
        return optuna.storages.RDBStorage(url, engine_kwargs=engine)
    return optuna.storages.RDBStorage(
        url,
        engine_kwargs=engine,
        heartbeat_interval=HEARTBEAT,
        grace_period=GRACE,
        heartbeat_stale_trial_callback=optuna.storages.RetryHeartbeatStaleTrialCallback(),
    )
