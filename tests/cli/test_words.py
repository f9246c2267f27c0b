"""The output of commands: lists, versions, claims, and suggestions after an error."""

import json

import pytest

from dlfun import experiment as experiments
from dlfun.cli import list as listing
from dlfun.cli.main import main
from dlfun.experiment import Claim, Quick
from dlfun.train import run_directory
from tests import toy


def run(capsys, *arguments):
    status = main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def test_list_fits_80_columns(capsys, monkeypatch):
    """Names are whole, and each family has its heading."""
    widths = []

    def narrow(table):
        from rich.console import Console

        Console(width=80, highlight=False).print(table)
        widths.append(table)

    monkeypatch.setattr(listing, "show", narrow)
    status, out, _ = run(capsys, "list")
    lines = out.splitlines()
    names = experiments.paths()
    assert status == 0
    assert max(map(len, lines)) <= 80
    assert len(widths) == len({experiments.family(path) for path in names.values()})
    assert set(names) <= {line.split()[0] for line in lines if line.split()}


def test_list_of_a_family_shows_figures(capsys):
    status, out, _ = run(capsys, "list", "recurrent")
    assert status == 0
    assert "mnist_lstm" in out
    assert "Figure: test accuracy ≥ 98.5 %" in out
    assert "mnist_mlp" not in out
    rows = json.loads(run(capsys, "list", "recurrent", "mnist_mlp", "--json")[1])
    assert {row["family"] for row in rows} == {"recurrent", "feedforward"}


def test_version(capsys):
    status, out, _ = run(capsys, "--version")
    assert status == 0
    assert out.startswith("dlfun 0.")
    assert ", jax 0." in out


def test_summary_of_flags_and_of_a_run(capsys, small_mnist, tmp_path):
    flags = ["mnist_mlp", "--hidden", "5", "3"]
    status, out, _ = run(capsys, "summary", *flags, "--json")
    layers = json.loads(out)["layers"]
    assert status == 0
    assert [layer["output"] for layer in layers] == [[5], [3], [10]]
    experiment = experiments.load("mnist_mlp")
    config = experiment.Config(hidden=(5, 3))
    path = tmp_path / "run"
    path.mkdir()
    described = run_directory.describe("mnist_mlp", config, {}, "")
    run_directory.write_json(path / "config.json", described)
    assert run(capsys, "summary", path, "--json")[1] == out
    assert "is not a run directory" in run(capsys, "summary", tmp_path / "no")[2]


@pytest.mark.parametrize("command", ["evaluate", "plot", "export", "sample", "summary"])
def test_a_sweep_is_no_run(capsys, tmp_path, command):
    (tmp_path / "sweep.json").write_text("{}")
    status, _, err = run(capsys, command, tmp_path)
    assert status == 2
    assert f"`sweep-report {tmp_path}` ranks its trials" in err


def test_train_ends_with_the_claim(capsys, monkeypatch, tmp_path):
    claims = [Claim("test/height", "[T9]", at_most=1.0), Claim("test/loss", "x", at_least=0.01)]
    quick = Quick({"epochs": 1, "tuning": 1}, claims[1:])
    toy.register(monkeypatch, CLAIMS=claims, QUICK=quick)
    train = ["train", "toy", "--run-dir", tmp_path / "run"]
    status, out, _ = run(capsys, *train)
    assert status == 0
    height, loss, ended = out.splitlines()[-3:]
    assert height.startswith("claim: test/height ≤ 1 [T9]: 9")
    assert height.endswith("is of the mean over seeds: reproduce toy --seeds 5")
    assert loss.startswith("claim: test/loss ≥ 0.01 x: ")
    assert ended.startswith("completed in ")
    again = run(capsys, *train)[1]
    assert again.splitlines()[-1].startswith("was completed already, in ")
    short = ["--epochs", "1", "--tuning", "1", "--seed", "3", "--run-dir", tmp_path / "quick"]
    printed = run(capsys, "train", "toy", *short)[1].splitlines()
    (line,) = [line for line in printed if line.startswith("claim: ")]
    assert line.endswith("reproduce toy --quick")
    other = run(capsys, "train", "toy", "--rate", "0.2", "--run-dir", tmp_path / "other")[1]
    assert "claim: " not in other
