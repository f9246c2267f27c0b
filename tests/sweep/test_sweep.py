"""Sweeps from the command line: strategies, pruning, resuming, sharing, executors, bad input."""

import contextlib
import csv
import json
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import optuna
import pytest

import dlfun
from dlfun import config as configs
from dlfun.cli.main import main
from dlfun.errors import UserError
from dlfun.experiment import Claim, Objective
from dlfun.sweep import executors, prune, shared
from dlfun.sweep import plan as plans
from dlfun.sweep.plan import Search
from dlfun.sweep.run import choose_metric
from dlfun.sweep.study import LocalStudy
from dlfun.train import run_directory as runs
from dlfun.train.trainer import GroupTrainer
from tests import toy
from tests.processes import launch

MLP = ["sweep", "mnist_mlp", "--hidden", "16", "--epochs", "1"]
RATES = ["--over", "optimizer.learning_rate=1e-3,1e-2"]
XOR = ["sweep", "xor_mlp", "--epochs", "1", "--metric", "test/loss", "--goal", "minimize"]
QUICKLY = """
import dlfun.sweep.report
from dlfun.sweep import shared
dlfun.sweep.report.draw = lambda *_: ()
shared.HEARTBEAT, shared.GRACE = 1, 5
"""
"""Draw no figures, and take a process for dead after five seconds."""
TOY = ["sweep", "toy", "--epochs", "1", "--tuning", "1"]
CONTINUOUS = ["--over", "optimizer.learning_rate=log(1e-4,1e-1)"]


@pytest.fixture(autouse=True)
def _two_at_once(monkeypatch):
    """One member a device, unmeasured; JAX is set up by conftest."""
    monkeypatch.setattr("dlfun.train.trainer.choose_size", lambda *_: 2)
    monkeypatch.setattr("dlfun.sweep.executors.set_up_process", lambda *_: None)


def run(capsys, *arguments):
    status = main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def table(folder):
    """The trials of table.json but their times."""
    ranked = json.loads((folder / "table.json").read_text())
    return [{k: v for k, v in trial.items() if k != "seconds"} for trial in ranked["trials"]]


def test_grid(capsys, small_mnist, tmp_path):
    """Two structures, two rates, two seeds; ranked, logged, drawn; the winner can be run again."""
    folder = tmp_path / "sweep"
    over = [*RATES, "--over", "hidden=(8,),(8,8)"]
    status, out, err = run(capsys, *MLP, *over, "--seeds", 2, "--run-dir", folder)
    assert status == 0, err
    rows = table(folder)
    assert [row["rank"] for row in rows] == [1, 2, 3, 4]
    assert sorted(row["trial"] for row in rows) == [0, 1, 2, 3]
    assert all(row["status"] == "completed" for row in rows)
    means = [row["mean"] for row in rows]
    assert means == sorted(means, reverse=True)
    for row in rows:
        for seed, score in row["scores"].items():
            result = runs.read_result(folder / f"trials/{row['trial']:04d}/seed{seed}")
            assert result["metrics"]["test"]["accuracy"] == score
    with (folder / "table.csv").open() as file:
        assert [int(line["rank"]) for line in csv.DictReader(file)] == [1, 2, 3, 4]
    assert {path.stem for path in (folder / "plots").iterdir()} >= {
        "against_optimizer.learning_rate",
        "against_hidden",
        "parallel_coordinates",
    }
    assert "ranked on the test set" in err
    best = next(line for line in out.splitlines() if "launch.py train" in line).split()
    again = tmp_path / "again"
    status, _, _ = run(capsys, *best[2:], "--devices", 1, "--run-dir", again)
    first = folder / f"trials/{rows[0]['trial']:04d}/seed0"
    assert runs.read_result(again)["metrics"] == runs.read_result(first)["metrics"]


@pytest.mark.parametrize(("strategy", "trials"), [("random", 3), ("quasi-random", 4), ("tpe", 5)])
def test_strategies(capsys, tmp_path, monkeypatch, strategy, trials):
    """So many trials within the bounds, all different, the same from the same search seed."""
    toy.register(monkeypatch)
    monkeypatch.setattr("dlfun.sweep.report.draw", lambda *_: ())
    asked = [*TOY, "--over", "rate=log(1e-4,1e-1)"]
    asked += ["--strategy", strategy, "--trials", trials, "--batch", 3]
    values = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        status, _, err = run(capsys, *asked, "--search-seed", seed, "--run-dir", tmp_path / name)
        assert status == 0, err
        rows = sorted(table(tmp_path / name), key=lambda row: row["trial"])
        values.append([row["values"]["rate"] for row in rows])
    assert values[0] == values[1] != values[2]
    assert len(set(values[0])) == trials
    assert all(1e-4 <= value <= 1e-1 for value in values[0])


@pytest.mark.parametrize("pruner", ["median", "halving"])
def test_pruning_stops_what_is_worse(capsys, tmp_path, monkeypatch, pruner):
    """Poor rates are stopped before the last epoch; the best is not."""
    toy.register(
        monkeypatch,
        stages=lambda config, dataset: toy.stages(config, dataset)[:1],
        OBJECTIVE=Objective("loss", "min"),
        measure=None,
    )
    monkeypatch.setattr("dlfun.sweep.report.draw", lambda *_: ())
    asked = ["sweep", "toy", "--epochs", 2, "--prune", pruner, "--batch", 4]
    asked += ["--over", "rate=0.3,0.03,0.01,0.2,1e-5,1e-6,1e-7,1e-8"]
    status, _, err = run(capsys, *asked, "--run-dir", tmp_path / "sweep")
    assert status == 0, err
    rows = table(tmp_path / "sweep")
    assert rows[0]["status"] == "completed"
    assert rows[0]["values"]["rate"] in (0.2, 0.3)
    pruned = [row for row in rows if row["status"] == "pruned"]
    assert pruned
    for row in pruned:
        result = runs.read_result(tmp_path / f"sweep/trials/{row['trial']:04d}/seed0")
        assert result["status"] == "interrupted"
        assert result["step"] < 2 * 3


def test_a_stage_without_the_metric_prunes_nothing(capsys, tmp_path, monkeypatch):
    """The objective is measured in the second stage alone, and trials are compared in the first."""

    def stages(config, dataset):
        first, second = toy.stages(config, dataset)
        learner = first.learner

        def update(state, batch, key):
            state, measured = learner.update(state, batch, key)
            return state, {"loss": measured["loss"]}

        def evaluate(state, batch, key):
            return {"loss": learner.evaluate(state, batch, key)["loss"]}

        return [first._replace(learner=learner._replace(update=update, evaluate=evaluate)), second]

    toy.register(monkeypatch, stages=stages)
    asked = ["sweep", "toy", "--epochs", 3, "--over", "rate=0.1,0.2,0.3,0.4", "--prune", "halving"]
    status, _, err = run(capsys, *asked, "--run-dir", tmp_path / "sweep")
    assert status == 0, err
    rows = table(tmp_path / "sweep")
    assert [row["status"] for row in rows] == ["completed"] * 4
    assert [row["mean"] for row in rows] == [96.0] * 4


def test_pruning_depends_on_the_curves_alone():
    search = Search(prune="halving")
    now = {n: {1: 0.1 * n, 2: 0.1 * n} for n in range(6)}
    stopped = prune.pruned(search, True, [], now)
    assert stopped == prune.pruned(search, True, [], dict(reversed(now.items())))
    assert 5 not in stopped
    assert prune.pruned(Search(prune="none"), True, [], now) == set()
    before = [{1: 0.5, 2: 0.5}] * 4
    assert prune.pruned(Search(prune="median"), True, before, now) == {0, 1, 2, 3, 4}
    assert prune.rungs(search, 10) == [1, 2, 4, 8, 10]


@pytest.mark.filterwarnings("ignore:overflow")
def test_a_trial_that_diverges_comes_last(capsys, small_mnist, tmp_path):
    over = ["--optimizer.name", "sgd", "--over", "optimizer.learning_rate=0.1,1e38"]
    status, _, err = run(capsys, *MLP, *over, "--run-dir", tmp_path / "sweep")
    assert status == 0, err
    assert [row["status"] for row in table(tmp_path / "sweep")] == ["completed", "diverged"]


def test_resume_runs_nothing_again(capsys, small_mnist, tmp_path, monkeypatch):
    """Of a sweep cut off after two of four trials: the two are kept, the others done."""
    folder = tmp_path / "sweep"
    over = ["--over", "optimizer.learning_rate=1e-4,1e-3,1e-2,1e-1"]
    told = []
    tell = LocalStudy.tell

    def cut(study, trial, found, value):
        tell(study, trial, found, value)
        told.append(found.number)
        if len(told) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(LocalStudy, "tell", cut)
    assert run(capsys, *MLP, *over, "--run-dir", folder)[0] == 130
    kept = {path: path.stat().st_mtime_ns for path in folder.glob("trials/000[01]/*/result.json")}
    assert len(kept) == 2
    assert run(capsys, "sweep", "--resume", folder)[0] == 0
    assert sorted(told) == [0, 1, 2, 3]
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())
    assert run(capsys, *MLP, *over, "--run-dir", tmp_path / "whole")[0] == 0
    assert table(folder) == table(tmp_path / "whole")


def test_a_signal_leaves_no_seed_behind(capsys, small_mnist, tmp_path, monkeypatch):
    """It comes while the last of a trial's three seeds is trained: the trial goes on."""
    folder, chunks = tmp_path / "sweep", []
    train = GroupTrainer._train_chunk

    def stopped(trainer, chunk, *arguments):
        chunks.append(chunk)
        if len(chunks) == 2:
            signal.raise_signal(signal.SIGINT)
        return train(trainer, chunk, *arguments)

    sweep = [*MLP, "--epochs", "3", *RATES, "--seeds", "3", "--run-dir"]
    with monkeypatch.context() as patch:
        patch.setattr(GroupTrainer, "_train_chunk", stopped)
        assert run(capsys, *sweep, folder)[0] == 130
    statuses = [runs.read_result(seed)["status"] for seed in sorted(folder.glob("trials/0000/*"))]
    assert statuses == ["completed", "completed", "interrupted"]
    assert run(capsys, "sweep", "--resume", folder)[0] == 0
    assert run(capsys, *sweep, tmp_path / "whole")[0] == 0
    assert table(folder) == table(tmp_path / "whole")


def test_datasets_are_found_from_elsewhere(capsys, tmp_path, monkeypatch):
    """A sweep over two files of arrays, named as they lay: resumed and read from elsewhere."""
    image = np.arange(8 * 64, dtype=np.uint8).reshape(8, 8, 8)
    for name in ("a.npz", "b.npz"):
        np.savez(tmp_path / name, train_image=image, train_label=np.arange(8) % 2)
    folder = tmp_path / "sweep"
    monkeypatch.setattr("dlfun.sweep.report.draw", lambda *_: ())
    monkeypatch.chdir(tmp_path)
    asked = ["sweep", "mnist_mlp", "--hidden", 4, "--epochs", 1, "--batch-size", 4]
    asked += ["--over", "dataset=arrays:a.npz,arrays:b.npz", "--run-dir", "sweep"]
    status, _, err = run(capsys, *asked)
    assert status == 0, err
    (folder / "trials.jsonl").unlink()
    shutil.rmtree(folder / "trials/0001")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    for command in (["sweep", "--resume", folder], ["evaluate", folder / "trials/0001/seed0"]):
        status, _, err = run(capsys, *command)
        assert status == 0, err


def finish(process):
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err


def test_trials_of_a_process_that_died_are_taken_by_another(tmp_path, monkeypatch):
    toy.register(monkeypatch)
    monkeypatch.setattr(shared, "HEARTBEAT", 1)
    monkeypatch.setattr(shared, "GRACE", 2)
    search = Search(over=("rate=0.1,0.2,0.3",), storage=f"sqlite:///{tmp_path}/shared.db")
    plan = plans.Plan("toy", configs.to_dict(toy.Config()), search, "default", "a test")
    with (
        contextlib.closing(shared.SharedStudy(plan, search.storage)) as died,
        contextlib.closing(shared.SharedStudy(plan, search.storage)) as other,
    ):
        lost = died.claim(2)
        (mine,) = other.claim(3)
        assert other.claim(3) == []
        assert other.busy()
        held = [mine]
        with other.alive(held):
            while len(held) < 3:
                held += other.claim(3)
                time.sleep(0.2)
        assert [(c.number, c.values) for c in held[1:]] == [(c.number, c.values) for c in lost]


@pytest.mark.slow
def test_killed_and_shared(tmp_path):
    """Two processes on one study, one killed: each trial once, none lost, as one alone has it."""
    asked = [*XOR, "--over", "optimizer.learning_rate=log(1e-4,1e-1,6)", "--batch", 2]
    storage = f"sqlite:///{tmp_path}/shared.db"
    finish(launch(*asked, "--run-dir", tmp_path / "one", setup=QUICKLY))
    sizes = (tmp_path / "one/sizes.json").read_text()
    both = []
    for name in ("a", "b"):
        flags = ["--storage", storage, "--run-dir", tmp_path / name]
        both.append(launch(*asked, *flags, setup=QUICKLY))
        while not (tmp_path / name / plans.PLAN).exists():
            time.sleep(0.02)
        (tmp_path / name / "sizes.json").write_text(sizes)
    while not list(tmp_path.glob("a/trials/*/*/result.json")) and both[0].poll() is None:
        time.sleep(0.02)
    both[0].kill()
    both[0].communicate()
    finish(both[1])
    assert table(tmp_path / "b") == table(tmp_path / "one")
    database = optuna.storages.RDBStorage(storage)
    study = optuna.load_study(study_name="xor_mlp", storage=database)
    done = study.get_trials(states=(optuna.trial.TrialState.COMPLETE,))
    database.remove_session()
    database.engine.dispose()
    assert sorted(trial.user_attrs["index"] for trial in done) == list(range(6))


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A sweep in one process, for the others to find the same."""
    folder = tmp_path_factory.mktemp("sweeps") / "here"
    finish(launch(*XOR, *RATES, "--seeds", 2, "--run-dir", folder, setup=QUICKLY))
    return table(folder)


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["processes", "ray"])
def test_executors_find_the_same(here, tmp_path, executor):
    if executor == "ray":
        pytest.importorskip("ray")
    asked = [*XOR, *RATES, "--seeds", 2, "--executor", executor]
    finish(launch(*asked, "--run-dir", tmp_path / "there"))
    assert table(tmp_path / "there") == here


def test_parts_of_a_job_are_the_whole(tmp_path, monkeypatch):
    """Each is trained as in a process of its own, and says how much is done of it."""
    toy.register(monkeypatch)
    monkeypatch.setattr(executors, "_shared", [[0.0, 0.0]])
    members = tuple((toy.Config(seed=seed), tmp_path / str(seed)) for seed in range(3))
    job = executors.Job("toy", members, (), "default", "a test", None, {})
    parts = job.parts(2)
    assert [len(part.members) for part in parts] == [1, 2]
    ended = [one for n, part in enumerate(parts) for one in executors._work_on_part(part, n)]
    assert [path for path, _ in ended] == [str(path) for _, path in members]
    assert {result["status"] for _, result in ended} == {"completed"}
    assert executors._shared == [[1, 2]]


def test_progress_of_worker_processes(monkeypatch):
    """What is done of the parts that run, until their results are here."""
    monkeypatch.setattr(executors, "WATCH", 0.01)
    done, told = [0.0, 0.0], []
    with ThreadPoolExecutor(2) as pool:

        def work(part, number):
            for trainings in (0.5, 1.0, 1.5):
                done[number] = trainings
                time.sleep(0.05)
            return [part]

        monkeypatch.setattr(executors, "_work_on_part", work)
        assert list(executors._watched(pool, ["a", "b"], done, told.append)) == ["a", "b"]
    assert max(told) > 2
    assert done == [0, 0]


def test_dry_run(capsys, small_mnist, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    over = [*RATES, "--over", "hidden=(8,),(8,8),(4,)", "--seeds", 3, "--dry-run"]
    status, out, _ = run(capsys, *MLP, *over)
    assert status == 0
    assert "6 trials x 3 seeds = 18 trainings in 3 programs" in out
    assert "seed, optimizer.learning_rate" in out
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([*MLP], "a sweep needs --over PATH=VALUES, or --seeds N of one setting"),
        ([*MLP, "--over", "epochs=log(1,9,1000000000)"], "expected at most 100,000"),
        ([*MLP, "--over", "optimizer.learning_rat=1,2"], "did you mean 'optimizer.learning_rate'"),
        ([*MLP, "--seed", "4294967294", "--seeds", "3"], "the last must be below 2**32"),
        ([*MLP, "--over", "seed=0,1"], "seed"),
        ([*MLP, "--over", "optimizer.learning_rate=log(0,1,3)"], "optimizer.learning_rate"),
        ([*MLP, "--over", "optimizer.learning_rate=log(1,0.1,3)"], "optimizer.learning_rate"),
        ([*MLP, *CONTINUOUS], "is continuous, a grid is not"),
        ([*MLP, *CONTINUOUS, "--strategy", "tpe"], "--strategy tpe needs --trials N"),
        (
            [*MLP, "--over", "hidden=(8,),(4,)", "--strategy", "quasi-random", "--trials", "4"],
            "draws from ranges only, hidden is a list",
        ),
        ([*MLP, *RATES, "--storage", "sqlite:////no/such/place.db"], "cannot be reached"),
        ([*MLP, *RATES, "--storage", "nosuch://place"], "cannot be reached"),
        ([*MLP, *RATES, "--metric", "test/acuracy"], "did you mean 'test/accuracy'"),
        ([*MLP, *RATES, "--metric", "test/top_5"], "test/top_5 needs --goal maximize or minimize"),
        (["sweep"], "sweep needs an EXPERIMENT, or --resume"),
        (["sweep", "--resume", "nowhere"], "nowhere is not a sweep: no such directory"),
        (["sweep-report", "nowhere"], "nowhere is not a sweep: no such directory"),
    ],
)
def test_bad_input_is_one_line(capsys, small_mnist, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    status, _, err = run(capsys, *arguments)
    assert status == 2
    assert words in err
    assert len([line for line in err.splitlines() if line.startswith("error")]) == 1


RESULTS = {0: {"metrics": {"test/accuracy": 0.9, "test/loss": 0.1, "train/accuracy": 0.9}}}


@pytest.mark.parametrize(
    ("objective", "claims", "metric", "goal", "expected"),
    [
        (("accuracy", "max"), [], None, None, ("test/accuracy", True)),
        (("loss", "min"), [], None, None, ("test/loss", False)),
        (("loss", "min"), [], None, "maximize", ("test/loss", True)),
        (("accuracy", "max"), [], "train/accuracy", None, ("train/accuracy", True)),
        (("loss", "min"), [], "test/accuracy", "minimize", ("test/accuracy", False)),
        (("loss", "min"), [{"at_least": 0.9}], "test/accuracy", None, ("test/accuracy", True)),
        (("loss", "min"), [{"at_most": 0.9}], "test/accuracy", None, ("test/accuracy", False)),
        (("loss", "min"), [], "test/accuracy", None, None),
        (("loss", "min"), [{"at_least": 0.9}], "train/accuracy", None, None),
        (("loss", "min"), [{"at_least": 0.8, "at_most": 0.9}], "test/accuracy", None, None),
        (("loss", "min"), [{"at_least": 0.8}, {"at_most": 0.9}], "test/accuracy", None, None),
    ],
)
def test_the_better_direction(monkeypatch, objective, claims, metric, goal, expected):
    """The goal that is asked for, else the objective's, else that of a claim on the metric."""
    claims = [Claim("test/accuracy", "nowhere", **bounds) for bounds in claims]
    toy.register(monkeypatch, OBJECTIVE=Objective(*objective), CLAIMS=claims)
    search = Search(over=("rate=0.1,0.2",), metric=metric, goal=goal)
    plan = plans.Plan("toy", configs.to_dict(toy.Config()), search, "default", "a test")
    if expected:
        assert choose_metric(plan, RESULTS) == expected
    else:
        for results in (RESULTS, {}):
            with pytest.raises(UserError, match="accuracy needs --goal maximize or minimize"):
                choose_metric(plan, results)


def test_validation_is_ranked_by_where_it_is(monkeypatch):
    toy.register(monkeypatch)
    search = Search(over=("rate=0.1,0.2",))
    plan = plans.Plan("toy", configs.to_dict(toy.Config()), search, "default", "a test")
    known = {0: {"metrics": {"validation/height": 1.0, "test/height": 1.0}}}
    assert choose_metric(plan, known) == ("validation/height", False)


def test_a_shared_study(capsys, tmp_path, monkeypatch):
    """It names runs by absolute paths, as each machine has its folder, and refuses another search.

    A sweep elsewhere has the same trials and nothing left to do.
    """
    toy.register(monkeypatch)
    monkeypatch.setattr("dlfun.sweep.report.draw", lambda *_: ())
    monkeypatch.chdir(tmp_path)
    storage = ["--storage", f"sqlite:///{tmp_path}/shared.db"]
    asked = [*TOY, "--over", "rate=0.1,0.2", *storage]
    for name in ("a", "b"):
        status, _, err = run(capsys, *asked, "--run-dir", name)
        assert status == 0, err
        rows = dlfun.load_sweep(name, storage[1])
        assert [row["run"] for row in rows] == [
            str(tmp_path / f"a/trials/{n:04d}/seed0") for n in range(2)
        ]
    other = [*TOY, "--over", "rate=log(1e-4,1e-1)", "--strategy", "tpe", "--trials", 2]
    status, _, err = run(capsys, *other, *storage, "--run-dir", "c")
    assert status == 2
    assert "searches something else" in err
