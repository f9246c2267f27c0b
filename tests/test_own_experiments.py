"""Experiments and arrays of the user's own, in a folder outside the checkout."""

import json
import os
import pickle
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import dlfun
from dlfun import experiment as experiments
from dlfun.cli.main import main
from dlfun.errors import UserError

OWN = '''"""Two clusters of points are told apart.

Figure: test accuracy ≥ 90 %
Time: 1 s
"""

from dataclasses import dataclass

import numpy as np

from dlfun.algorithms.supervised import supervised
from dlfun.data import Dataset
from dlfun.nn.losses import cross_entropy
from dlfun.nn.models.mlp import MLP
from dlfun.optimizers import Optimizer, make_optimizer

CLAIMS = ()


@dataclass(frozen=True)
class Config:
    """A small MLP."""

    epochs: int = 3
    batch_size: int = 10
    optimizer: Optimizer = Optimizer(learning_rate=0.01)
    seed: int = 0


def data(config):
    x = np.random.default_rng(0).normal(size=(300, 2)).astype(np.float32)
    split = {"image": x, "label": (x[:, 0] > 0).astype(np.int32)}
    parts = {"train": slice(200), "validation": slice(200, 250), "test": slice(250, 300)}
    splits = {name: {key: a[part] for key, a in split.items()} for name, part in parts.items()}
    return Dataset("clusters", splits, classes=("left", "right"))


def learner(config, dataset):
    optimizer = make_optimizer(config.optimizer)
    return supervised(MLP((8,), 2), cross_entropy, optimizer)
'''


READS = """

def inputs(trained, items):
    numbers = []
    for item in items:
        try:
            numbers.append([float(item), 0.0])
        except ValueError:
            raise UserError(f"'{item}' is no number") from None
    return Inputs([f"x = {item}" for item in items], {"image": np.array(numbers, np.float32)})
"""
DESCRIBES = """

def outputs(trained, names, predictions):
    for logits in predictions:
        yield {"logits": logits.tolist(), "side": "left" if logits[0] > logits[1] else "right"}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with an experiment at its top, one in a family, one in dlfun's own family."""
    monkeypatch.setenv(experiments.VARIABLE, "")  # Restored at the end.
    for place in ("own_top.py", "own_family/own_below.py", "recurrent/own_recurrent.py"):
        path = tmp_path / "mine" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(OWN)
    return tmp_path / "mine"


def run(capsys, *arguments):
    status = main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def test_they_are_trained_like_others(capsys, folder, tmp_path):
    assert run(capsys, "train", "own_top")[0] == 2
    for name, family in (
        ("own_top", "mine"), ("own_below", "own_family"), ("own_recurrent", "recurrent")
    ):  # fmt: skip
        path = tmp_path / name
        flags = ["--optimizer.learning-rate", "0.02", "--run-dir", path]
        assert run(capsys, "train", name, *flags, "--experiments", folder)[0] == 0
        assert experiments.family(experiments.paths()[name]) == family
        trained = dlfun.load(path)
        assert trained.config.optimizer.learning_rate == 0.02
        assert set(trained.evaluate()) == {"validation", "test"}
        columns = {"image": trained.dataset.splits["test"]["image"]}
        assert trained.predict(columns).shape == (50, 2)
    rows = json.loads(run(capsys, f"--experiments={folder}", "list", "--json")[1])
    assert {"own_top", "own_below", "own_recurrent", "mnist_mlp"} <= {row["name"] for row in rows}


def test_the_commands_that_a_sweep_prints_find_them(capsys, folder, tmp_path, monkeypatch):
    sweep = ["sweep", "own_top", "--over", "optimizer.learning_rate=0.01,0.02", "--epochs", "1"]
    sweep += ["--experiments", folder, "--run-dir", tmp_path / "sweep"]
    assert run(capsys, *sweep)[0] == 0
    out = run(capsys, "sweep-report", tmp_path / "sweep", "--json")[1]
    (command,) = json.loads(out)["rerun"]
    monkeypatch.setenv(experiments.VARIABLE, "")
    python, program, *arguments = shlex.split(command)
    assert (python, program) == ("python", "launch.py")
    assert run(capsys, *arguments, "--run-dir", tmp_path / "again")[0] == 0


def test_what_an_experiment_reads_is_predicted(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv(experiments.VARIABLE, "")
    imports = "from dlfun.errors import UserError\nfrom dlfun.experiment import Inputs\n"
    own = OWN.replace("from dlfun.nn.losses", f"{imports}from dlfun.nn.losses")
    (tmp_path / "reading.py").write_text(own + READS)
    (tmp_path / "describing.py").write_text(own + READS + DESCRIBES)
    place = ["--experiments", tmp_path]
    for name in ("reading", "describing"):
        assert run(capsys, "train", name, "--run-dir", tmp_path / name, *place)[0] == 0
    asked = ["predict", tmp_path / "reading", "-3", "3", "--json", *place]
    by_name = [json.loads(line) for line in run(capsys, *asked)[1].splitlines()]
    python = dlfun.load(tmp_path / "reading").predict(["-3", "3"])
    assert by_name == python
    assert [(row["input"], row["class"]) for row in python] == [
        ("x = -3", "left"), ("x = 3", "right")
    ]  # fmt: skip
    columns = {"image": np.array([[-3, 0], [3, 0]], np.float32)}
    logits = dlfun.load(tmp_path / "describing").predict(columns)
    rows = dlfun.load(tmp_path / "describing").predict(["-3", "3"])
    assert [row["side"] for row in rows] == ["left", "right"]
    np.testing.assert_allclose([row["logits"] for row in rows], logits, rtol=1e-5)
    printed = run(capsys, "predict", tmp_path / "describing", "3", *place)[1]
    assert printed.startswith("x = 3: logits ")
    assert printed.endswith("side right\n")
    for item, more, words in (("three", [], "'three' is no number"), ("3", ["--invert"], "images")):
        status, out, err = run(capsys, "predict", tmp_path / "reading", item, *more, *place)
        assert (status, out) == (2, "")
        assert words in err
        assert err.count("\n") == 1


def test_a_process_of_its_own_unpickles_a_config(folder):
    experiments.use_folder(folder)
    unpickled_elsewhere("own_below")


def unpickled_elsewhere(name):
    """Check that another process can unpickle an experiment's Config."""
    code = "import pickle, sys; print(pickle.load(sys.stdin.buffer).epochs)"
    config = experiments.load(name).default
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=pickle.dumps(config),
        cwd=Path(__file__).parent.parent,
        env=dict(os.environ),
        capture_output=True,
    )
    assert done.stdout.strip() == b"3", done.stderr


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("    seed: int = 0\n", "", "Config lacks the field 'seed'"),
        ("    batch_size: int = 10\n", "", "Config lacks the field 'batch_size'"),
        ("@dataclass(frozen=True)", "@dataclass", "Config must be a frozen dataclass"),
        ("CLAIMS", "CLAIM", "lacks CLAIMS"),
    ],
)
def test_what_is_wrong_is_said(capsys, folder, old, new, words):
    name = f"own_{abs(hash(words)) % 10**6}"  # A module that was not imported before.
    (folder / f"{name}.py").write_text(OWN.replace(old, new))
    status, _, err = run(capsys, "train", name, "--experiments", folder)
    assert (status, len(err.splitlines())) == (2, 1)
    assert f"experiment '{name}'" in err
    assert words in err


def test_what_a_docstring_lacks_is_said(capsys, folder):
    (folder / "own_terse.py").write_text(OWN.replace("Figure: test accuracy ≥ 90 %\n", ""))
    status, _, err = run(capsys, "list", "own_terse", "--experiments", folder)
    assert status == 0
    assert err.startswith("warning: own_terse: its docstring lacks a line 'Figure: …'")


def test_folders_that_are_not_there_and_names_that_clash(capsys, folder):
    assert "no such folder" in run(capsys, "list", "--experiments", folder / "no")[2]
    assert "needs the name of a folder" in run(capsys, "list", "--experiments")[2]
    (folder / "mnist_mlp.py").write_text(OWN)
    experiments.use_folder(folder)
    with pytest.raises(UserError, match="two experiments are named 'mnist_mlp'"):
        experiments.paths()


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Packages beside each other: one with experiments, and metadata that names what is not."""
    monkeypatch.setenv(experiments.VARIABLE, "")
    inner = tmp_path / "own_package/inner"
    for path, text in ((inner / "own_installed.py", OWN), (inner / "own_family/own_deep.py", OWN)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "own_package/__init__.py").write_text("raise RuntimeError('imported')")
    for name, points in (
        ("own_package", "own = own_package.inner\nother = own_package.nothing"),
        ("gone", "gone = gone_package"),
    ):
        metadata = tmp_path / f"{name}-1.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Name: {name}\nVersion: 1\n")
        (metadata / "entry_points.txt").write_text(f"[{experiments.GROUP}]\n{points}\n")
    (tmp_path / "empty-1.dist-info").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    experiments._installed.cache_clear()
    yield tmp_path
    experiments._installed.cache_clear()


def test_those_of_installed_packages_are_found_without_an_import(capsys, installed, folder, caplog):
    assert run(capsys, "list", "own_family", "--experiments", folder)[0] == 0
    assert "own_package" not in sys.modules
    assert sorted(caplog.messages) == [
        f"entry point '{name}' of dlfun.experiments: no package '{package}'"
        for name, package in (("gone", "gone_package"), ("other", "own_package.nothing"))
    ]
    paths = experiments.paths()
    assert paths["own_installed"] == installed / "own_package/inner/own_installed.py"
    assert {"own_deep", "own_below", "own_top"} <= set(paths)
    unpickled_elsewhere("own_deep")


def test_damaged_metadata_hides_no_other_experiment(installed, caplog):
    (installed / "gone-1.dist-info/entry_points.txt").write_text("[x]\nno equals sign\n")
    assert "mnist_mlp" in experiments.paths()
    assert "their metadata is damaged" in caplog.text
