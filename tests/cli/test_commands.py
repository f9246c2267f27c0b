"""The command line: help and lists at once, and one clear line for each bad input."""

import json
import math
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from dlfun import data
from dlfun import experiment as experiments
from dlfun.cli import results
from dlfun.cli.main import COMMANDS, main
from dlfun.experiment import Claim, Quick, paths
from dlfun.train import run_directory as runs

ROOT = Path(__file__).parents[2]
MLP = ["train", "mnist_mlp"]
REAL_READ = data.read  # Before a fixture replaces it.


def run(capsys, *arguments):
    status = main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


@pytest.mark.parametrize(
    "arguments", [["--help"], ["list"], ["list", "--json"], ["list", "--help"]]
)
def test_help_and_lists_import_nothing_heavy(arguments):
    code = (
        "import sys\nfrom dlfun.cli.main import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "heavy = {'jax', 'flax', 'optax', 'orbax', 'matplotlib', 'tensorflow_datasets'}\n"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "mnist_mlp" in done.stdout or "--help" in arguments


def test_help_names_every_command(capsys):
    status, out, _ = run(capsys, "--help")
    assert status == 0
    assert all(f"  {name} " in out for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_help(capsys, name):
    with pytest.raises(SystemExit) as stop:
        main([name, "--help"])
    assert stop.value.code == 0
    assert "usage: launch.py" in capsys.readouterr().out


def test_train_help_shows_documented_defaults(capsys):
    with pytest.raises(SystemExit):
        main([*MLP, "--help"])
    out = capsys.readouterr().out
    assert "--optimizer.learning-rate" in out
    assert "Widths of the hidden layers" in out
    assert "(default: 0.001)" in out


def test_list(capsys):
    status, out, _ = run(capsys, "list", "--json")
    rows = json.loads(out)
    assert status == 0
    assert [row["name"] for row in rows] == list(paths())
    assert all(row.keys() == {"name", "family", "shows", "figure", "time"} for row in rows)


def test_data(capsys):
    status, out, _ = run(capsys, "data")
    assert status == 0
    assert "CC BY-SA 3.0" in out
    assert json.loads(run(capsys, "data", "--json")[1])[0]["name"] == "mnist"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["trian"], "no command 'trian' (did you mean 'train'?)"),
        (["train", "mnist_ml"], "no experiment 'mnist_ml' (did you mean 'mnist_mlp'?)"),
        (["summary", "mnist_cn"], "did you mean 'mnist_cnn'?"),
        (["reproduce", "mnist_rn"], "did you mean 'mnist_rnn'?"),
        (["reproduce"], "reproduce needs experiments, folders of them or a run, or else --all"),
        (["reproduce", "mnist_mlp", "--all"], "reproduce needs experiments, folders of them"),
        (["reproduce", "mnist_mlp", "--seeds", "0"], "--seeds must be at least 1, got 0"),
        ([*MLP, "--hiden", "3"], "unrecognized options: --hiden, 3 (did you mean '--hidden'?)"),
        ([*MLP, "--lr", "3"], "(did you mean '--optimizer.learning-rate'?)"),
        ([*MLP, "--learning-rate", "3"], "(did you mean '--optimizer.learning-rate'?)"),
        ([*MLP, "--optimizer", "adam"], "(did you mean '--optimizer.name'?)"),
        ([*MLP, "--batch", "3"], "(did you mean '--batch-size'?)"),
        ([*MLP, "--parallel", "shardmap"], "one of ('None', 'jit', 'pmap', 'shard_map') (did you"),
        (["list", "nothing"], "'nothing' is no experiment and no folder of experiments\n"),
        (["summary", "mnist_mlp", "--hiden", "3"], "(did you mean '--hidden'?)"),
        (["summary", "mnist_mlp", "--hidden", "0"], "--hidden must be at least 1, got 0"),
        (["list", "recurent"], "(did you mean 'recurrent'?)"),
        ([*MLP, "--hidden", "x"], "--hidden"),
        ([*MLP, "--hidden", "0"], "--hidden must be at least 1, got 0"),
        ([*MLP, "--epochs", "0"], "--epochs must be at least 1, got 0"),
        ([*MLP, "--optimizer.name", "adm"], "(did you mean 'adam'?)"),
        ([*MLP, "--optimizer.learning-rate", "x"], "could not convert string to float: 'x'"),
        ([*MLP, "--optimizer.learning-rate", "0"], "learning-rate must be greater than 0, got 0.0"),
        ([*MLP, "--optimizer.learning-rate", "nan"], "must be greater than 0, got nan"),
        ([*MLP, "--seed", "4294967296"], "--seed must be less than 4294967296, got 4294967296"),
        ([*MLP, "--batch-size", "0"], "--batch-size must be at least 1, got 0"),
        ([*MLP, "--batch-size", "301"], "must be at most the training set's 300, got 301"),
        ([*MLP, "--devices", "0"], "--devices must be at least 1, got 0"),
        ([*MLP, "--devices", "99"], "--devices 99: there are only 2 here"),
        ([*MLP, "--data-dir", "/nowhere"], "--data-dir /nowhere: no such folder"),
        (["evaluate", "/nowhere"], "/nowhere is not a run directory: no such directory"),
        (["plot", "/nowhere"], "/nowhere is not a run directory"),
        (["predict", "/nowhere", "a.png"], "/nowhere is not a run directory"),
        (["reproduce", "/nowhere"], "/nowhere is not a run directory"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    capsys, small_mnist, tmp_path, monkeypatch, arguments, words
):
    monkeypatch.chdir(tmp_path)
    # JAX's backend is up in this process: --devices can no longer add virtual ones.
    monkeypatch.setattr("dlfun.train.options.configure_jax", lambda *_: None)
    status, out, err = run(capsys, *arguments)
    assert status == 2
    assert out == ""
    assert err.startswith("error: ")
    assert words in err
    assert len(err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_unknown_dataset(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(data, "read", REAL_READ)
    status, _, err = run(capsys, *MLP, "--dataset", "mnits")
    assert status == 2
    assert "unknown dataset 'mnits' (did you mean 'mnist'?)" in err
    assert len(err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_no_space_is_one_line(capsys, small_mnist, tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    status, _, err = run(capsys, *MLP, "--run-dir", tmp_path / "run")
    assert status == 2
    assert "no space left on the disk" in err.splitlines()[-1]
    assert not list((tmp_path / "run").rglob("*.part"))


def of_numpy(*_):
    raise MemoryError("Unable to allocate 298. GiB")


def of_jax(*_):
    jax.jit(lambda: jnp.ones(2**60))()


@pytest.mark.parametrize(
    ("read", "message"),
    [(of_numpy, "Unable to allocate 298. GiB"), (of_jax, r"RESOURCE_EXHAUSTED: Out of memory .*")],
)
def test_no_memory_is_one_line(capsys, tmp_path, monkeypatch, read, message):
    monkeypatch.setattr(data, "read", read)
    status, _, err = run(capsys, "train", "mnist_mlp", "--run-dir", tmp_path / "run")
    assert status == 2
    assert re.fullmatch(f"error: not enough memory: {message}", err.splitlines()[-1])
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def trained(tmp_path_factory, small_mnist_in_module):
    """A finished small run."""
    path = tmp_path_factory.mktemp("run") / "mlp"
    main([*MLP, "--hidden", "16", "--epochs", "2", "--run-dir", str(path)])
    return path


def test_evaluate_equals_the_result(capsys, trained):
    status, out, _ = run(capsys, "evaluate", trained)
    assert status == 0
    assert "equal to result.json" in out
    found = json.loads(run(capsys, "evaluate", trained, "--json")[1])
    result = json.loads((trained / "result.json").read_text())
    assert found["metrics"]["test"] == result["metrics"]["test"]
    status, out, _ = run(capsys, "evaluate", trained, "--checkpoint", "best")
    assert status == 0
    assert out.startswith("test accuracy")


def test_evaluate_names_the_metrics_that_differ(capsys, trained, tmp_path):
    """An older version of dlfun may have given a metric another name."""
    copy = tmp_path / "mlp"
    shutil.copytree(trained, copy)
    result = runs.read_json(copy / "result.json", dict)
    test = result["metrics"]["test"]
    test["hits"] = test.pop("accuracy")
    test["loss"] += 1e-6
    runs.write_json(copy / "result.json", result)
    status, out, _ = run(capsys, "evaluate", copy)
    assert status == 1
    words = "test/accuracy (not recorded), test/hits (not measured any more), test/loss"
    assert f"NOT equal to result.json: {words}\n" in out


def test_reproduce_a_run_to_the_bit(capsys, trained):
    status, out, _ = run(capsys, "reproduce", trained)
    assert status == 0
    assert "the same to the bit" in out
    config = json.loads((trained / "config.json").read_text())
    result = json.loads((trained / "result.json").read_text())
    result["metrics"]["test"]["loss"] += 1e-7
    del result["checksum"]
    (trained / "result.json").write_text(json.dumps(result))
    status, out, _ = run(capsys, "reproduce", trained)
    assert status == 1
    assert "NOT the same" in out
    assert config["command"].startswith("launch.py train mnist_mlp")


def test_reproduce_claims(capsys, small_mnist, tmp_path):
    arguments = ["reproduce", "mnist_mlp", "--seeds", "2", "--run-dir", tmp_path]
    status, out, _ = run(capsys, *arguments, "--json")
    found = json.loads(out)
    (row,) = found["claims"]
    assert status == 1  # 300 images do not make 97.58 %.
    assert row["holds"] is False
    assert row["printed"] == 0.9758
    assert len(row["values"]) == 2
    assert row["mean"] == pytest.approx(sum(row["values"]) / 2)
    began = time.perf_counter()
    status, out, _ = run(capsys, *arguments)
    assert time.perf_counter() - began < 5  # Finished runs are not trained again.
    assert "mnist_mlp: test/accuracy ≥ 97.58 %" in out
    assert "FAILS" in out
    assert sorted(path.name for path in (tmp_path / "mnist_mlp").iterdir()) == ["seed0", "seed1"]


def test_reproduce_all(capsys, monkeypatch):
    asked = []
    monkeypatch.setattr("dlfun.cli.reproduce.reproduce", lambda *args: asked.append(args) or [])
    assert run(capsys, "reproduce", "--all", "--quick", "--json")[0] == 0
    ((names, seeds, _, quick),) = asked
    assert names == list(experiments.paths())
    assert (seeds, quick) == (1, True)


def test_reproduce_the_quick_setting(capsys, small_mnist, tmp_path, monkeypatch):
    """Its fields and claims, beside the full runs; others are as ever."""
    experiment = experiments.load("mnist_mlp")
    claim = Claim("test/accuracy", "nowhere", at_least=0.01)
    small = Quick({"epochs": 1, "optimizer.learning_rate": 0.01, "hidden": (3,)}, [claim])
    quick = experiment._replace(quick=small)
    monkeypatch.setattr(experiments, "load", lambda name: quick)
    arguments = ["reproduce", "mnist_mlp", "--quick", "--run-dir", tmp_path, "--json"]
    status, out, _ = run(capsys, *arguments)
    (row,) = json.loads(out)["claims"]
    assert status == 0
    assert (row["source"], row["at_least"], len(row["values"])) == ("nowhere", 0.01, 1)
    folders = sorted((tmp_path / "mnist_mlp").iterdir())
    assert [folder.name for folder in folders] == ["quick-seed0"]
    config = json.loads((folders[0] / "config.json").read_text())["config"]
    assert (config["epochs"], config["optimizer"]["learning_rate"]) == (1, 0.01)
    usual = experiment._replace(
        quick=None,
        claims=[claim._replace(source="here")],
        default=experiment.Config(hidden=(3,), epochs=1),
    )
    monkeypatch.setattr(experiments, "load", lambda name: usual)
    (row,) = json.loads(run(capsys, *arguments)[1])["claims"]
    assert row["source"] == "here"
    assert (tmp_path / "mnist_mlp" / "seed0").is_dir()


def result_row(experiment, bound, mean, status="completed"):
    metric = {"metric": "test/accuracy", "source": "[T3]", "printed": bound, "at_most": None}
    measured = {"mean": mean, "sd": 0.001, "values": [mean], "holds": mean >= bound}
    about = {"experiment": experiment, "at_least": bound, "seconds": 4.2, "status": [status]}
    return about | metric | measured


def test_a_claim_of_a_run_that_diverged():
    assert results.cells(result_row("mnist_mlp", 0.9, math.nan, "diverged"))[3] == "diverged"
    assert results.cells(result_row("mnist_mlp", 0.9, 0.5, "diverged"))[3] == "50.00 ± 0.10 %"


def test_results_are_written_beside_those_of_other_claims(tmp_path):
    """A row replaces an older one of its claim, though the bound has changed."""
    path = tmp_path / "README.md"
    rows = [result_row("mnist_rnn", 0.95, 0.96), result_row("mnist_mlp", 0.9, 0.91)]
    results.write(rows, 5, path)
    results.write([result_row("mnist_mlp", 0.9758, 0.97)], 2, path)
    lines = [line for line in path.read_text().splitlines() if line.startswith("| mnist")]
    assert len(lines) == 2
    mlp, rnn = lines
    start = "| mnist_mlp: test/accuracy ≥ 97.58 % | [T3] | 97.58 % | 97.00 ± 0.10 % | 2 | FAILS |"
    assert mlp.startswith(start)
    assert rnn.startswith("| mnist_rnn: test/accuracy ≥ 95.00 % |")
    assert "| 5 | holds | 4.2 |" in rnn
    assert len(results.read(path)) == 2
