"""The record of a sweep of one process goes on after an interruption as if there had been none."""

import json
import shutil
import time

import pytest

import dlfun
from benchmarks import bookkeeping
from dlfun.cli.main import main
from dlfun.errors import UserError
from dlfun.sweep import plan as plans
from dlfun.sweep.plan import Plan, Search
from dlfun.sweep.progress import Progress
from dlfun.sweep.study import LocalStudy
from dlfun.sweep.table import Trial
from tests import toy


@pytest.fixture(autouse=True)
def _toy(monkeypatch):
    toy.register(monkeypatch)


def plan(strategy, trials=7):
    search = Search(("rate=range(0.1,0.9)", "epochs=1,2,3"), strategy=strategy, trials=trials)
    config = {"epochs": 3, "tuning": 3, "rate": 0.1, "width": 2, "seed": 0}
    return Plan("toy", config, search, "default", "sweep toy")


def work_off(study, stop=99):
    """Tell a value of each trial that is claimed, three at once; stop after some."""
    told = 0
    while claims := study.claim(3):
        for claim in claims:
            if told == stop:
                return
            value = (claim.values["rate"] - 0.5) ** 2 + claim.values["epochs"]
            result = {"status": "completed", "seconds": 1.0, "metrics": {"test/loss": value}}
            study.tell(claim, Trial(claim.number, {}, "completed", {0: result}), value)
            told += 1


@pytest.mark.parametrize("strategy", ["tpe", "random"])
@pytest.mark.parametrize("stop", [1, 3, 5])
def test_an_interrupted_search_proposes_the_same(strategy, stop, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for folder in (whole, parts):
        folder.mkdir()
    study = LocalStudy(plan(strategy), whole)
    work_off(study)
    work_off(LocalStudy(plan(strategy), parts), stop)
    with (parts / "trials.jsonl").open("ab") as file:
        file.write(b'{"trial": 5, "sta')  # As a crash leaves it.
    resumed = LocalStudy(plan(strategy), parts)
    assert sum(trial.status == "completed" for trial in resumed.trials()) == stop
    work_off(resumed)
    again = LocalStudy(plan(strategy), parts)
    assert again.trials() == resumed.trials() == study.trials()
    assert len(study.trials()) == 7
    assert again.claim(3) == []


@pytest.mark.parametrize(
    "line", [b"null", b"[]", b"{}", b'{"trial": "x"}', b"\xff", b'{"trial": 9}']
)
def test_a_damaged_record_is_named(line, tmp_path):
    (tmp_path / "trials.jsonl").write_bytes(line + b"\n")
    for strategy in ("tpe", "random"):
        with pytest.raises(UserError, match=r"trials\.jsonl is damaged at"):
            LocalStudy(plan(strategy), tmp_path)


def test_the_database_of_an_earlier_version_is_refused(tmp_path):
    (tmp_path / "study.db").touch()
    with pytest.raises(UserError, match="is of an earlier version of dlfun"):
        LocalStudy(plan("random"), tmp_path)


def test_a_measured_point_is_told_and_not_trained_again(tmp_path, monkeypatch, capsys):
    """Six random trials in a space of two: two trainings, and six rows."""
    folder = tmp_path / "s"
    over = ["--over", "rate=0.1,0.2", "--strategy", "random", "--trials", "6", "--batch", "2"]
    assert main(["sweep", "toy", *over, "--run-dir", str(folder)]) == 0
    assert len(list(folder.glob("trials/*"))) == 2
    rows = json.loads((folder / "table.json").read_text())["trials"]
    assert len(rows) == 6
    assert len({(row["values"]["rate"], row["mean"]) for row in rows}) == 2


def test_several_seeds_of_one_setting_need_no_values(tmp_path, capsys):
    assert main(["sweep", "toy", "--seeds", "3", "--run-dir", str(tmp_path / "s")]) == 0
    (row,) = json.loads((tmp_path / "s/table.json").read_text())["trials"]
    assert row["scores"].keys() == {"0", "1", "2"}
    assert plans.read(tmp_path / "s").search.seeds == 3


def test_a_folder_does_not_choose_what_is_connected_to(tmp_path, capsys):
    url = f"sqlite:///{tmp_path}/other.db"
    wanted = plan("random")
    search = Search(**vars(wanted.search) | {"storage": url})
    plans.write(Plan(**vars(wanted) | {"search": search}), tmp_path / "s")
    for command in (
        ["sweep-report", str(tmp_path / "s")],
        ["sweep", "--resume", str(tmp_path / "s")],
    ):
        assert main(command) == 2
        assert f"give --storage {url} to connect to it" in capsys.readouterr().err
        assert not (tmp_path / "other.db").exists()


@pytest.mark.parametrize("kept", ["all", "best", "none"])
def test_members_keep_the_checkpoints_that_are_asked_for(kept, tmp_path, capsys):
    """The sweep that goes on keeps the same; events are written on request."""
    folder = tmp_path / "s"
    asked = ["sweep", "toy", "--over", "rate=0.1,0.2", "--checkpoints", kept]
    asked += ["--events"] if kept == "best" else []
    assert main([*asked, "--run-dir", str(folder)]) == 0
    (folder / "trials.jsonl").unlink()
    shutil.rmtree(folder / "trials/0001")
    assert main(["sweep", "--resume", str(folder)]) == 0
    for trial in (folder / "trials/0000/seed0", folder / "trials/0001/seed0"):
        manifests = [json.loads(file.read_text()) for file in trial.rglob("manifest.json")]
        steps = sorted(manifest["step"] for manifest in manifests)
        # Best is the first of the second stage's epochs, of 2 steps each.
        assert steps == {"all": [11, 15], "best": [11], "none": []}[kept]
        assert bool(list(trial.glob("events.*"))) == (kept == "best")
    for row in json.loads((folder / "table.json").read_text())["trials"]:
        assert row["status"] == "completed"


def test_a_sweep_says_what_it_does_and_how_to_go_on(tmp_path, capsys, monkeypatch):
    """A header, how many share a program, and after an interruption the command that goes on."""
    folder = tmp_path / "s"
    over = ["--over", "rate=0.1,0.2,0.3", "--seeds", "2"]
    told = []
    tell = LocalStudy.tell

    def cut(study, *arguments):
        tell(study, *arguments)
        told.append(arguments)
        if len(told) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(LocalStudy, "tell", cut)
    assert main(["sweep", "toy", *over, "--run-dir", str(folder)]) == 130
    err = capsys.readouterr().err
    assert f"sweep of toy: 3 trials x 2 seeds = 6 trainings, in {folder}" in err
    assert "6 trainings share a program, " in err
    assert "programs" not in err
    assert f"go on with: python launch.py sweep --resume {folder}" in err
    assert main(["sweep", "--resume", str(folder)]) == 0
    assert len(told) == 3


def test_a_sweep_says_how_many_programs_it_compiles(tmp_path, capsys):
    over = ["--over", "rate=0.1,0.2", "--over", "width=1,2,3"]
    assert main(["sweep", "toy", *over, "--run-dir", str(tmp_path / "s")]) == 0
    err = capsys.readouterr().err
    assert "6 trainings in 3 programs\n2 trainings share a program, 2 at once\n" in err


def test_progress_of_a_long_sweep(capsys, monkeypatch):
    """A line a minute: n of N, the time left, the best so far; not a line a trial."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with Progress(1000, 2) as progress:
        progress.resume([Trial(0, {}, "completed", {}), Trial(1, {}, "waiting", {})])
        for number, objective in ((1, 0.5), (2, 0.3), (3, 0.4)):
            now[0] += 45
            progress.told(number, "rate 0.1", f"loss {objective}", objective)
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["6 of 2000 trainings, about 748 min left  best: trial 2, loss 0.3"]


def test_an_unknown_metric_is_found_before_training(tmp_path, capsys, monkeypatch):
    toy.register(monkeypatch, measure=None)
    folder = tmp_path / "s"
    asked = ["sweep", "toy", "--over", "rate=0.1,0.2", "--goal", "maximize", "--metric"]
    assert main([*asked, "test/hight", "--run-dir", str(folder)]) == 2
    assert "is not measured (did you mean 'test/height'?)" in capsys.readouterr().err
    assert not folder.exists()


def test_help_of_a_sweep_shows_all_that_it_takes(capsys):
    with pytest.raises(SystemExit):
        main(["sweep", "--help"])
    out = capsys.readouterr().out
    assert all(
        f"--{flag}" in out for flag in ("over", "seeds", "checkpoints", "executor", "resume")
    )
    assert main(["sweep", "--resume", "/nowhere", "--over", "rate=1,2"]) == 2
    assert "give only --storage" in capsys.readouterr().err


def test_runs_are_found_from_elsewhere_and_after_a_move(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("dlfun.sweep.report.draw", lambda *_: ())
    monkeypatch.chdir(tmp_path)
    assert main(["sweep", "toy", "--over", "rate=0.1,0.2", "--run-dir", "here/s"]) == 0
    assert {row["run"] for row in dlfun.load_sweep("here/s")} == {
        f"here/s/trials/000{number}/seed0" for number in range(2)
    }
    (tmp_path / "here").rename(tmp_path / "there")
    (tmp_path / "else").mkdir()
    monkeypatch.chdir(tmp_path / "else")
    for row in dlfun.load_sweep("../there/s"):
        assert dlfun.load(row["run"]).metrics["test"]["height"] == row["test/height"]
    assert main(["sweep-report", str(tmp_path / "there/s")]) == 0
    out = capsys.readouterr().out
    assert f"in {tmp_path}/there/s/trials/000" in out


@pytest.mark.slow
def test_the_benchmark_of_bookkeeping_reads_what_a_sweep_writes():
    seconds, size, files, _ = bookkeeping.sweep(2, "none")
    assert seconds > 0
    assert size in (1, 2)
    assert files > 2
