"""Runs read back, listed, compared and exported."""

import builtins
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import dlfun
from dlfun.cli.main import main
from dlfun.errors import UserError
from dlfun.plots import style
from tests import toy

ROOT = Path(__file__).parents[2]


def run(capsys, *arguments):
    status = main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


@pytest.fixture(scope="module")
def mlp(tmp_path_factory, small_mnist_in_module):
    """A finished run of a small MLP."""
    path = tmp_path_factory.mktemp("run") / "mlp"
    train = ["train", "mnist_mlp", "--hidden", "16", "--epochs", "2"]
    assert main([*train, "--run-dir", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """Two seeds at each of two rates."""
    folder = tmp_path_factory.mktemp("runs") / "sweep"
    with pytest.MonkeyPatch.context() as patch:
        toy.register(patch)
        patch.setattr("dlfun.cli.sweep._report", lambda *arguments: 0)
        over = ["--over", "rate=0.1,0.2", "--seeds", "2"]
        assert main(["sweep", "toy", *over, "--run-dir", str(folder)]) == 0
    return folder


@pytest.fixture
def several(sweep):
    """The folder of its four runs."""
    return sweep / "trials"


def test_importing_is_light():
    code = "import sys, dlfun; sys.exit('jax' in sys.modules or 'flax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_a_run_is_read_back(mlp, digits):
    trained = dlfun.load(mlp)
    result = json.loads((mlp / "result.json").read_text())
    assert trained.metrics == result["metrics"]
    assert trained.evaluate()["test"] == result["metrics"]["test"]
    assert trained.config.hidden == (16,)
    assert trained.params["Dense_0"]["kernel"].shape == (784, 16)
    assert [row["split"] for row in trained.history] == ["train", "test"] * 2
    assert "mnist_mlp" in repr(trained)
    test = digits.splits["test"]
    probabilities = trained.predict(test["image"])
    assert probabilities.shape == (120, 10)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    accuracy = (probabilities.argmax(axis=1) == test["label"]).mean()
    assert accuracy == pytest.approx(result["metrics"]["test"]["accuracy"])
    alone = trained.predict(test["image"][:2, ..., 0])  # Of one channel, which may be left out.
    np.testing.assert_allclose(probabilities[:2], alone, rtol=1e-5)
    logits = trained.predict({name: column[:7] for name, column in test.items()})
    assert logits.shape == (7, 10)
    assert (logits.argmax(axis=1) == probabilities[:7].argmax(axis=1)).all()
    with pytest.raises(UserError, match=r"images must be uint8 \['n', 28, 28, 1\], got float32"):
        trained.predict(np.zeros((2, 28, 28, 1), np.float32))
    for wrong, words in (
        (test["image"][:0], "images must be uint8"),
        ({"image": 1}, "one length"),
        ({"image": test["image"][:2], "label": test["label"][:1]}, "one length"),
        ({"picture": test["image"][:2]}, "predicts from a column 'image', got picture"),
    ):
        with pytest.raises(UserError, match=words):
            trained.predict(wrong)
    with pytest.raises(UserError, match="is not a run directory"):
        dlfun.load(mlp.parent)


def test_export(capsys, mlp, tmp_path):
    """The arrays are the parameters, under their paths, and the card has metrics and shapes."""
    status, out, _ = run(capsys, "export", mlp, "--out", tmp_path / "model")
    assert status == 0
    weights, card = map(Path, out.split())
    arrays, params = load_file(weights), dlfun.load(mlp).params
    assert sorted(arrays) == [f"Dense_{i}.{name}" for i in (0, 1) for name in ("bias", "kernel")]
    np.testing.assert_array_equal(arrays["Dense_1.kernel"], params["Dense_1"]["kernel"])
    text = card.read_text()
    assert text.startswith("---\nlibrary_name: flax\n")
    assert "| Dense_0.kernel | 784×16 | float32 |" in text
    assert "| optimizer.learning_rate | 0.001 |" in text
    assert "| test/accuracy | " in text
    assert not list((tmp_path / "model").glob("*.part"))
    (tmp_path / "file").touch()
    status, _, err = run(capsys, "export", mlp, "--out", tmp_path / "file")
    assert (status, "is a file, expected a folder" in err) == (2, True)


def test_running_statistics_are_exported():
    from dlfun.algorithms.minimize import MinimizeState
    from dlfun.nn.networks import MEMORY, parameters

    one = np.ones(3, np.float32)
    state = MinimizeState({"Dense_0": {"bias": one}}, {"mu": one}, {"batch_stats": {"mean": one}})
    assert set(parameters(state, MEMORY)) == {("Dense_0", "bias"), ("batch_stats", "mean")}
    assert set(parameters(state)) == {("Dense_0", "bias")}


def test_runs(capsys, several, tmp_path):
    status, out, _ = run(capsys, "runs", several, "--json", "--sort", "test/loss")
    rows = json.loads(out)
    assert status == 0
    losses = [row["metrics"]["test/loss"] for row in rows]
    assert len(rows) == 4
    assert losses == sorted(losses)
    assert {row["status"] for row in rows} == {"completed"}
    assert all(row["size"] > 1000 and row["seconds"] > 0 for row in rows)
    assert "test/loss" in run(capsys, "runs", several)[1]
    status, out, err = run(capsys, "runs", several, "--status", "failed")
    assert (status, out, err) == (0, "", "no runs\n")
    for arguments, words in (
        ([tmp_path / "no"], "no such folder"),
        ([several, "--sort", "test/los"], "did you mean 'test/loss'?"),
        ([several, "--experiment", "toi"], "did you mean 'toy'?"),
        ([several, "--status", "complete"], "did you mean 'completed'?"),
    ):
        status, _, err = run(capsys, "runs", *arguments)
        assert (status, len(err.splitlines())) == (2, 1)
        assert words in err


def test_what_is_not_whole_is_listed(capsys, tmp_path):
    """A run that was killed, one not begun, damaged files, a sweep and its trials as one."""
    for name in (
        "killed",
        "new",
        "damaged",
        "null",
        "sweep/trials/0",
        "lost/trials/0",
        "cut",
        "bare",
    ):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "config.json").write_text(
            json.dumps({"experiment": "toy", "config": {}, "options": {}})
        )
    (tmp_path / "killed" / "result.json").write_text('{"status": "running"}')
    (tmp_path / "damaged" / "config.json").write_text("{")
    (tmp_path / "bare" / "config.json").rename(tmp_path / "bare" / "result.json")
    (tmp_path / "null" / "result.json").write_text("null")
    (tmp_path / "sweep" / "sweep.json").write_text(
        json.dumps({"experiment": "toy", "config": {}, "options": {}})
    )
    (tmp_path / "cut" / "config.json").unlink()
    (tmp_path / "cut" / "sweep.json").write_text(json.dumps({"experiment": "toy"}))
    trial = {"status": "completed", "mean": 0.5, "seconds": 1.5, "scores": {"0": 0.4, "1": 0.6}}
    table = {"metric": "test/loss", "trials": [trial]}
    (tmp_path / "sweep" / "table.json").write_text(json.dumps(table))
    (tmp_path / "lost" / "trials.jsonl").write_text("")
    rows = json.loads(run(capsys, "runs", tmp_path, "--json")[1])
    status = {Path(row["run"]).name: row["status"] for row in rows}
    # Of a sweep, those of all its trainings.
    seconds = {Path(row["run"]).name: row["seconds"] for row in rows}
    assert seconds["sweep"] == 3.0
    assert status.pop("null") == "damaged"
    assert status.pop("lost") == "damaged"
    assert status.pop("bare") == "damaged"
    assert status == {
        "killed": "killed", "new": "not begun", "damaged": "damaged", "sweep": "completed",
        "cut": "interrupted",
    }  # fmt: skip


def test_prune_asks_first(capsys, tmp_path, monkeypatch):
    ended = {"step": 10, "seconds": 1.0, "metrics": {}}
    for name, status in (("done", "completed"), ("going", "interrupted")):
        checkpoints = tmp_path / name / "checkpoints" / "00000010"
        checkpoints.mkdir(parents=True)
        (checkpoints / "data").write_bytes(b"0" * 1000)
        (tmp_path / name / "config.json").write_text(
            json.dumps({"experiment": "toy", "config": {}, "options": {}})
        )
        (tmp_path / name / "result.json").write_text(json.dumps({"status": status, **ended}))
    monkeypatch.setattr(builtins, "input", lambda prompt: "n")
    assert run(capsys, "runs", tmp_path, "--prune")[0] == 0
    assert (tmp_path / "done" / "checkpoints").is_dir()
    monkeypatch.setattr(builtins, "input", lambda prompt: "y")
    status, out, _ = run(capsys, "runs", tmp_path, "--prune")
    assert (status, "1 finished run," in out) == (0, True)
    assert not (tmp_path / "done" / "checkpoints").exists()
    assert (tmp_path / "done" / "result.json").exists()
    assert (tmp_path / "going" / "checkpoints").exists()


def test_compare(capsys, several, tmp_path, monkeypatch):
    """Seeds are averaged, the settings that differ are named, the better comes first."""
    toy.register(monkeypatch)
    drawn = []
    monkeypatch.setattr(style, "save", lambda figure, path: drawn.append(figure) or path)
    arguments = ["compare", several, "--metric", "loss", "--out", tmp_path / "c.png"]
    status, out, err = run(capsys, *arguments, "--json")
    assert status == 0
    rows = json.loads(out)
    assert sorted(row["settings"]["rate"] for row in rows) == [0.1, 0.2]
    assert {len(row["runs"]) for row in rows} == {2}
    for row in rows:
        results = [json.loads((Path(r) / "result.json").read_text()) for r in row["runs"]]
        losses = [result["metrics"]["test"]["loss"] for result in results]
        assert row["metrics"]["test/loss"]["mean"] == pytest.approx(np.mean(losses))
        assert row["metrics"]["test/loss"]["sd"] == pytest.approx(np.std(losses, ddof=1))
    assert rows[0]["metrics"]["test/loss"]["mean"] < rows[1]["metrics"]["test/loss"]["mean"]
    axes = drawn[0].axes[0]
    assert [line.get_label() for line in axes.lines] == [
        f"rate {row['settings']['rate']:g}" for row in rows
    ]
    assert len(axes.collections) == 2  # A band for each.
    assert "±" in run(capsys, *arguments)[1]
    for bad, words in (
        (["compare", several / "0000" / "seed0"], "two runs or more, got 1"),
        ([*arguments, "--metric", "los"], "did you mean 'loss'?"),
        ([*arguments, "--split", "validation", "--out", "x.jpg"], "expected a .png file"),
        (["compare", several, tmp_path / "no"], "is not a run directory"),
        (["compare", several, tmp_path], "there is none below it"),
    ):
        status, _, err = run(capsys, *bad)
        assert (status, len(err.splitlines())) == (2, 1)
        assert words in err


def test_equal_runs_are_told_apart_by_their_folders(several, tmp_path):
    from dlfun.train.series import group

    (tmp_path / "again").symlink_to(several / "0000" / "seed0")
    runs = [several / "0000" / "seed0", several / "0000" / "seed1", tmp_path / "again"]
    series = group(runs)
    assert [one.runs for one in series] == [runs[:2], runs[2:]]
    assert [one.label for one in series] == [str(runs[0]), str(runs[2])]


def test_experiments_are_compared_by_what_both_have(several, mlp):
    from dlfun.train.series import group

    toys, other = group([several / "0000" / "seed0", mlp])
    assert set(toys.settings) == set(other.settings)
    assert (toys.settings["experiment"], other.settings["experiment"]) == ("toy", "mnist_mlp")
    assert toys.label.startswith("toy, epochs 3")


def test_a_sweep_is_a_table(sweep, tmp_path, monkeypatch):
    toy.register(monkeypatch)
    rows = dlfun.load_sweep(sweep)
    assert [(row["trial"], row["seed"]) for row in rows] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert [row["rate"] for row in rows] == [0.1, 0.1, 0.2, 0.2]
    assert all(row["test/loss"] > 0 and row["status"] == "completed" for row in rows)
    assert dlfun.load(rows[1]["run"]).config.seed == 1
    with pytest.raises(UserError, match="is not a sweep"):
        dlfun.load_sweep(tmp_path)
