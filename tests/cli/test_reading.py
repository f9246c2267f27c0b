"""A dataset is read once a command, however many trainings share it."""

import pytest

from dlfun import data
from dlfun.cli.main import main
from dlfun.data import idx_sets
from dlfun.sweep import executors, report
from dlfun.train import trainer

SMALL = ["--hidden", "4", "--epochs", "1"]


@pytest.fixture
def reads(monkeypatch, digits):
    """The arguments of each reading of IDX files, which gives the small MNIST."""
    calls = []

    def read(*arguments):
        calls.append(arguments)
        return digits

    monkeypatch.setattr(idx_sets, "read", read)
    data.read.cache_clear()
    yield calls
    data.read.cache_clear()


def test_a_command_reads_its_dataset_once(reads, tmp_path, monkeypatch):
    """A sweep of two structures and two seeds too, though each seed holds out others."""
    share = ["--validation", "0.1"]
    run = str(tmp_path / "run")
    assert main(["train", "mnist_mlp", *SMALL, *share, "--run-dir", run]) == 0
    assert len(reads) == 1
    data.read.cache_clear()
    assert main(["evaluate", run]) == 0
    assert len(reads) == 2
    data.read.cache_clear()
    monkeypatch.setattr(executors, "set_up_process", lambda *_: None)
    monkeypatch.setattr(trainer, "choose_size", lambda *_: 2)
    monkeypatch.setattr(report, "draw", lambda *_: ())
    sweep = ["sweep", "mnist_mlp", *SMALL, *share, "--over", "hidden=(4,),(5,)", "--seeds", "2"]
    assert main([*sweep, "--run-dir", str(tmp_path / "sweep")]) == 0
    assert len(list(tmp_path.glob("sweep/trials/*/*/result.json"))) == 4
    assert len(reads) == 3
