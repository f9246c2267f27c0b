"""The record of a sweep of one process goes on after an interruption as if there had been none."""

import json

import pytest

from dlfun.cli.main import main
from dlfun.errors import UserError
from dlfun.sweep import plan as plans
from dlfun.sweep.plan import Plan, Search
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
