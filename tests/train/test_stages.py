"""A training of two stages: interrupted anywhere, swept, measured; and what its devices allow."""

import contextlib
import json
import math

import jax
import numpy as np
import pytest

from dlfun.cli.main import main
from dlfun.errors import UserError
from dlfun.train import checkpoint, driver, lockstep, loop, run_directory, trainer
from dlfun.train.driver import evaluate, read, read_run, train, train_members
from dlfun.train.options import Options
from dlfun.train.trainer import Member
from tests import toy
from tests.works import assert_equal

BOUNDARY, END = 3 * 3, 3 * 3 + 3 * 2
ALONE = Options(devices=1)
TIMINGS = ("seconds", "examples_per_second")


class StopAfter:
    """A stop that is asked for after some updates, each a piece of its own."""

    def __init__(self, steps):
        self.left = steps  # It is called once before the first.

    def is_set(self):
        self.left -= 1
        return self.left < 0


@contextlib.contextmanager
def stopped_by(event):
    """Have trainings within stop when the event is set."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(driver, "stop_signal", lambda: contextlib.nullcontext(event))
        yield


@pytest.fixture(scope="module", autouse=True)
def _steps_one_by_one():
    with pytest.MonkeyPatch.context() as patch:
        toy.register(patch)
        patch.setattr(loop, "SECONDS", 1e-9)
        yield


def run(folder, stop=math.inf, options=ALONE):
    """Train the toy until `stop` updates; the result."""
    with stopped_by(StopAfter(stop)):
        return train("toy", toy.Config(), options, folder, "a test")


def rows(folder):
    """The rows of metrics.jsonl without timings."""
    return [
        {name: value for name, value in row.items() if name not in TIMINGS}
        for row in run_directory.read_metrics(folder)
    ]


def saved_steps(folder):
    return [int(path.name) for path in sorted((folder / "checkpoints").glob("[0-9]*"))]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The run of an unbroken training."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    assert run(folder)["status"] == "completed"
    return folder


def test_stages_follow_one_another(whole):
    """One after another, in one count of steps and epochs; `begin` hands over the state."""
    table = rows(whole)
    splits = ["train", "validation", "test"]
    assert [row["split"] for row in table] == splits * 6
    assert [row["epoch"] for row in table[::3]] == [1, 2, 3, 4, 5, 6]
    assert [row["step"] for row in table[::3]] == [3, 6, 9, 11, 13, 15]
    assert [row["stage"] for row in table[::3]] == ["first"] * 3 + ["second"] * 3
    result = run_directory.read_result(whole)
    assert (result["status"], result["step"]) == ("completed", END)
    _, trained = read(whole, pytest.fail)
    assert (trained.step, trained.config) == (END, toy.Config())
    assert trained.state["count"] == 6  # Of the second stage alone.
    assert not np.array_equal(trained.state["kept"], trained.state["second"])


def test_begin_is_given_the_last_state_of_the_stage_before(whole, tmp_path):
    assert run(tmp_path, stop=BOUNDARY)["status"] == "interrupted"
    first = read_run(tmp_path, pytest.fail)
    assert (first.stage, first.trained.step) == (0, BOUNDARY)
    _, trained = read(whole, pytest.fail)
    assert_equal(trained.state["kept"], first.trained.state["first"])
    with pytest.raises(UserError, match="has come to stage 'first', not to the last, 'second'"):
        read(tmp_path, pytest.fail)
    assert set(evaluate(tmp_path, pytest.fail)["test"]) == {"loss", "height"}


@pytest.mark.parametrize("stop", [2, 3, BOUNDARY, BOUNDARY + 1, BOUNDARY + 2, END - 1])
def test_an_interrupted_training_resumes_to_the_bit(whole, tmp_path, stop):
    """In the middle and at the end of an epoch, in each stage and between the two."""
    result = run(tmp_path, stop=stop)
    assert (result["status"], result["step"]) == ("interrupted", stop)
    assert saved_steps(tmp_path)[-1] == stop
    assert run(tmp_path)["status"] == "completed"
    assert rows(tmp_path) == rows(whole)
    results = [run_directory.read_result(folder) for folder in (tmp_path, whole)]
    assert results[0]["metrics"] == results[1]["metrics"]
    assert saved_steps(tmp_path) == saved_steps(whole)
    for which in ("last", "best"):
        a, b = (read_run(folder, pytest.fail, which).trained for folder in (tmp_path, whole))
        assert a.step == b.step
        assert_equal(a.state, b.state)


@pytest.mark.parametrize(("saving", "killed"), [(0, 5), (0, BOUNDARY + 4), (BOUNDARY + 3, END - 1)])
def test_a_killed_training_resumes_to_the_same_best(whole, tmp_path, monkeypatch, saving, killed):
    """Checkpoints are written from the step `saving` on, at last after the best epoch."""

    class Killed(BaseException):
        pass

    class KillAfter(StopAfter):
        def is_set(self):
            if super().is_set():
                raise Killed
            if killed - self.left > saving:
                monkeypatch.setattr(lockstep, "SHARE", 0)
            return False

    monkeypatch.setattr(lockstep, "SHARE", math.inf)
    with stopped_by(KillAfter(killed)), pytest.raises(Killed):
        train("toy", toy.Config(), ALONE, tmp_path, "a test")
    assert saving < saved_steps(tmp_path)[-1] < killed
    assert run(tmp_path)["status"] == "completed"
    assert saved_steps(tmp_path) == saved_steps(whole)
    assert rows(tmp_path) == rows(whole)


def test_the_best_checkpoint_is_of_the_last_stage(whole):
    """Though the heights of the first stage are lower."""
    best = checkpoint.best(whole / "checkpoints", pytest.fail)
    assert (best.stage, best.step, best.score) == (1, BOUNDARY + 2, 92.0)
    assert best.metrics["validation"]["height"] == 92.0
    assert saved_steps(whole) == [BOUNDARY + 2, END]
    assert evaluate(whole, pytest.fail, "best")["validation"]["height"] == 92.0


def test_measures_are_in_the_result_and_in_evaluations(whole):
    result = run_directory.read_result(whole)
    assert 0 < result["metrics"]["test"]["moved"] < 2
    again = evaluate(whole, pytest.fail)
    assert again["test"] == result["metrics"]["test"]
    assert again["validation"] == result["metrics"]["validation"]
    assert all("moved" not in row for row in rows(whole))
    # A measure is of the end of a training: of the best checkpoint it is another.
    assert evaluate(whole, pytest.fail, "best")["test"]["moved"] != again["test"]["moved"]


def test_a_measure_says_in_words_how_it_is_computed(tmp_path, monkeypatch):
    toy.register(
        monkeypatch, measure=lambda *_: {"test/moved": 1, "test/moved_by": "the second array"}
    )
    measured = {"moved": 1.0, "moved_by": "the second array"}
    assert run(tmp_path)["metrics"]["test"].items() >= measured.items()
    assert evaluate(tmp_path, pytest.fail)["test"].items() >= measured.items()


def test_a_measure_that_is_not_finite_is_divergence(tmp_path, monkeypatch, capsys):
    toy.register(monkeypatch, measure=lambda trained, key: {"test/moved": float("nan")})
    result = run(tmp_path)
    assert (result["status"], result["step"]) == ("diverged", END)
    assert result["metrics"] == {}
    assert run_directory.read_result(tmp_path) == result
    assert f"a metric of step {END} is not finite" in capsys.readouterr().err


@pytest.mark.parametrize("where", ["update", "evaluate"])
def test_a_metric_of_any_name_that_is_not_finite_is_divergence(tmp_path, monkeypatch, where):
    """Though the loss is; in the third epoch, or at its end."""

    def stages(config, dataset):
        first, second = toy.stages(config, dataset)
        learner = first.learner

        def update(state, batch, key):
            state, measured = learner.update(state, batch, key)
            return state, poison(measured, state["count"] > 7)

        def evaluate(state, batch, key):
            return poison(learner.evaluate(state, batch, key), state["count"] > 7)

        changed = {"update": update, "evaluate": evaluate}[where]
        return [first._replace(learner=learner._replace(**{where: changed})), second]

    def poison(measured, when):
        height = measured["height"]
        total = jax.numpy.where(when, jax.numpy.nan, height.total)
        return {**measured, "height": height._replace(total=total)}

    toy.register(monkeypatch, stages=stages)
    result = run(tmp_path)
    assert result["status"] == "diverged"
    assert result["step"] == {"update": 7, "evaluate": BOUNDARY}[where]
    assert result["checkpoint"] == "checkpoints/00000006"
    assert rows(tmp_path)[-1]["epoch"] == 2


RATES = [0.1, 0.05, 0.2, 0.3, 0.4]


def test_a_population_is_one_program_a_stage(whole, tmp_path, monkeypatch):
    """Members differ in rate and seed; each is what it is alone, and leaves the same files.

    Those of the four that are trained first, and the one that is trained among padding.
    """
    compiled, compile_learner = [], trainer.compile_learner

    def counting(*arguments, **options):
        compiled.append(compile_learner(*arguments, **options))
        return compiled[-1]

    monkeypatch.setattr(trainer, "compile_learner", counting)
    monkeypatch.setattr(trainer, "choose_size", lambda *_: 4)
    configs = [toy.Config(rate=rate, seed=seed) for seed, rate in enumerate(RATES)]
    members = [Member(c, tmp_path / str(n)) for n, c in enumerate(configs)]
    results = dict(train_members("toy", members, Options(), "a test"))
    assert len(compiled) == 2
    assert [programs.train._cache_size() for programs in compiled] == [1, 1]
    assert {result["status"] for result in results.values()} == {"completed"}
    train("toy", configs[4], ALONE, tmp_path / "alone", "a test")
    assert configs[0] == toy.Config()
    for number, alone in ((0, whole), (4, tmp_path / "alone")):
        run_of = tmp_path / str(number)
        assert saved_steps(run_of) == saved_steps(alone) == [BOUNDARY + 2, END]
        states = [read(folder, pytest.fail)[1].state for folder in (run_of, alone)]
        assert_equal(*states, rtol=1e-5, atol=1e-6)
        tables = [rows(folder) for folder in (run_of, alone)]
        for a, b in zip(*tables, strict=True):
            assert {n: v for n, v in a.items() if n != "loss"} == {
                n: v for n, v in b.items() if n != "loss"
            }
            assert a["loss"] == pytest.approx(b["loss"], rel=1e-5)
        for which in ("last", "best"):
            a, b = (evaluate(folder, pytest.fail, which)["test"] for folder in (run_of, alone))
            assert a == pytest.approx(b, rel=1e-5)
        a, b = (run_directory.read_result(folder)["metrics"] for folder in (run_of, alone))
        assert list(a) == list(b) == ["train", "validation", "test"]
        assert a["test"] == pytest.approx(b["test"], rel=1e-5)


def test_a_population_interrupted_in_a_stage_goes_on(whole, tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "choose_size", lambda *_: 2)
    configs = [toy.Config(seed=seed) for seed in (0, 1)]
    members = [Member(c, tmp_path / str(n)) for n, c in enumerate(configs)]
    for epochs, steps in ((2, 6), (4, BOUNDARY + 2)):
        results = dict(train_members("toy", members, Options(), "a test", until=epochs))
        assert {(r["status"], r["step"]) for r in results.values()} == {("interrupted", steps)}
    with stopped_by(StopAfter(1)), pytest.raises(KeyboardInterrupt):
        list(train_members("toy", members, Options(), "a test"))
    assert saved_steps(tmp_path / "0")[-1] == BOUNDARY + 3
    results = dict(train_members("toy", members, Options(), "a test"))
    assert {result["status"] for result in results.values()} == {"completed"}
    assert rows(tmp_path / "0") == rows(whole)
    assert saved_steps(tmp_path / "0") == saved_steps(whole)
    assert_equal(*(read(folder, pytest.fail)[1].state for folder in (tmp_path / "0", whole)))


def test_a_learner_that_takes_no_averages_is_split_by_jit(whole, tmp_path):
    run(tmp_path, options=Options(devices=2))
    recorded = run_directory.read_config(tmp_path)["options"]
    assert (recorded["devices"], recorded["parallel"]) == (2, "jit")
    states = [read(folder, pytest.fail)[1].state for folder in (tmp_path, whole)]
    assert_equal(*states, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("way", ["shard_map", "pmap"])
def test_other_ways_to_split_it_are_refused(tmp_path, capsys, way):
    arguments = ["train", "toy", "--devices", "2", "--parallel", way, "--run-dir", str(tmp_path)]
    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: --parallel {way} splits the batch, over which")
    assert line.endswith("takes no averages: expected jit")
    assert not list(tmp_path.iterdir())


def test_runs_are_described_in_full(whole):
    """A result of a training with stages is whole JSON with the metrics of each split."""
    result = json.loads((whole / "result.json").read_text())
    assert list(result["metrics"]) == ["train", "validation", "test"]
    assert set(result["metrics"]["validation"]) == {"loss", "height"}
