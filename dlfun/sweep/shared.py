"""The record of a sweep in an Optuna storage that several machines share.

Trials are claimed atomically. A process renews its claims by heartbeats; a trial whose heartbeat is
older than GRACE seconds becomes available again.
"""

import ast
import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState

from dlfun.errors import UserError
from dlfun.sweep.plan import Plan, silence_optuna
from dlfun.sweep.space import suggest
from dlfun.sweep.study import Claim, with_runs
from dlfun.sweep.table import Trial
from dlfun.sweep.tpe import sampler

HEARTBEAT, GRACE = 5, 30
"""Heartbeat interval and time-out of a claim, in seconds."""
ALIVE = (TrialState.WAITING, TrialState.RUNNING, TrialState.COMPLETE, TrialState.PRUNED)


class SharedStudy:
    """The trials of a sweep in a storage."""

    def __init__(self, plan: Plan, url: str) -> None:
        silence_optuna(optuna)
        self.plan, self.space, self.total = plan, plan.space, plan.count
        name = plan.search.study or plan.experiment
        try:
            self.storage = _storage(url)
            self.study = optuna.create_study(storage=self.storage, study_name=name)
            mine = True
        except optuna.exceptions.DuplicatedStudyError:
            self.study = optuna.load_study(storage=self.storage, study_name=name)
            mine = False
        except Exception as error:  # Whatever the driver of that database raises.
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            raise UserError(f"--storage {url} cannot be reached: {reason}") from None
        try:
            self._agree(mine)
        except UserError:
            self.close()
            raise

    def close(self) -> None:
        """Close the connections to the storage."""
        self.storage.remove_session()
        self.storage.engine.dispose()

    def _agree(self, mine: bool) -> None:
        """Record the search and the trials that are known, or compare with what is recorded."""
        search = self.plan.search
        asked = repr((self.plan.config, search.over, search.seeds, search.strategy, self.total))
        patience = time.monotonic() + GRACE
        while not mine and "plan" not in self.study.user_attrs and time.monotonic() < patience:
            time.sleep(0.1)  # The process that made the study is writing it.
        if "plan" not in self.study.user_attrs:
            recorded = {t.user_attrs.get("index") for t in self.study.get_trials(deepcopy=False)}
            for index, proposed in enumerate(self.plan.points or []):
                if index not in recorded:
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

    def claim(self, count: int) -> list[Claim]:
        """Trials to be trained by this process, up to `count`; none when all are done or taken."""
        optuna.storages.fail_stale_trials(self.study)
        claimed: list[Claim] = []
        while len(claimed) < count and self._left():
            trial = self.study.ask()
            if self._too_many(trial):
                self.study.tell(trial, state=TrialState.FAIL)  # Another took the last one.
                break
            self.storage.record_heartbeat(trial._trial_id)
            if "point" not in trial.user_attrs:
                trial.set_user_attr("point", repr(self._propose(trial)))
            claimed.append(Claim(_number(trial), _point(trial), trial))
        return claimed

    def busy(self) -> bool:
        """True if another process still trains a trial, which may become available again."""
        return bool(self._in(TrialState.RUNNING))

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
        self.study.sampler = sampler(self.plan.search.search_seed, trial.number)
        return suggest(self.space, optuna.Trial(self.study, trial._trial_id))

    @contextlib.contextmanager
    def alive(self, claims: Sequence[Claim]) -> Iterator[None]:
        """Renew the claims while they are trained."""
        done = threading.Event()

        def beat() -> None:
            while not done.wait(HEARTBEAT):
                for claim in claims:
                    assert claim.handle is not None
                    self.storage.record_heartbeat(claim.handle._trial_id)

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def tell(self, claim: Claim, result: Trial, value: float | None) -> None:
        """Record the results of a trial; without a value it was pruned."""
        trial = claim.handle
        assert trial is not None
        trial.set_user_attr("status", result.status)
        # Absolute: each machine has a folder of its own.
        results = with_runs(result.results, Path.absolute)
        trial.set_user_attr("results", {str(seed): one for seed, one in results.items()})
        state = TrialState.PRUNED if value is None else TrialState.COMPLETE
        self.study.tell(trial, value, state=state)

    def measured(self, point: str) -> Trial | None:
        """A trial that has ended, by the text of its values."""
        ended = self._in(TrialState.COMPLETE, TrialState.PRUNED)
        matches = (trial for trial in ended if trial.user_attrs["point"] == point)
        return next(map(_trial, matches), None)

    def trials(self) -> list[Trial]:
        """All trials, in the order in which they were proposed."""
        trials = (
            _trial(trial)
            for trial in self.study.get_trials(deepcopy=False)
            if trial.state != TrialState.FAIL and "point" in trial.user_attrs
        )
        return sorted(trials, key=lambda trial: trial.number)


def _number(trial: Any) -> int:
    """A trial's number in the sweep, which it keeps when it is put back."""
    return trial.user_attrs.get("index", trial.number)


def _trial(trial: Any) -> Trial:
    attributes = trial.user_attrs
    status = attributes.get("status", trial.state.name.lower())
    results = {int(seed): result for seed, result in attributes.get("results", {}).items()}
    return Trial(_number(trial), _point(trial), status, results)


def _point(trial: Any) -> dict[str, Any]:
    """The values of a trial, by path."""
    return ast.literal_eval(trial.user_attrs["point"])


def _storage(url: str) -> Any:
    engine: dict[str, Any] = {}
    if url.startswith("sqlite"):
        engine = {"connect_args": {"timeout": 60}}  # Others may be writing.
    return optuna.storages.RDBStorage(
        url,
        engine_kwargs=engine,
        heartbeat_interval=HEARTBEAT,
        grace_period=GRACE,
        heartbeat_stale_trial_callback=optuna.storages.RetryHeartbeatStaleTrialCallback(),
    )
