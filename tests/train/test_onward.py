"""Runs that go on: with more epochs, and from the parameters of another run."""

import json

import numpy as np

import dlfun
from dlfun.cli.main import main
from dlfun.errors import UserError
from dlfun.nn.networks import MEMORY, parameters, replace_parameters
from dlfun.train import checkpoint, run_directory
from tests import toy


def run(capsys, *arguments):
    status = main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def result(path):
    return json.loads((path / "result.json").read_text())


def test_more_epochs_of_the_last_stage_give_the_unbroken_run(capsys, tmp_path, monkeypatch):
    toy.register(monkeypatch)
    train = ["train", "toy", "--devices", "1"]
    longer = [*train, "--tuning", "4", "--run-dir"]
    assert run(capsys, *train, "--tuning", "2", "--run-dir", tmp_path / "a")[0] == 0
    before = result(tmp_path / "a")
    status, _, err = run(capsys, *longer, tmp_path / "a")
    assert status == 0
    assert "was trained with --tuning 2: going on to 4" in err
    assert "resuming from step" in err
    assert run(capsys, *longer, tmp_path / "b")[0] == 0
    assert result(tmp_path / "a")["metrics"] == result(tmp_path / "b")["metrics"]
    assert result(tmp_path / "a")["step"] > before["step"]
    a, b = (dlfun.load(tmp_path / name) for name in "ab")
    np.testing.assert_array_equal(a.state["second"], b.state["second"])
    assert len(a.history) == len(b.history)
    assert a.config.tuning == 4
    assert "was completed already" in run(capsys, *longer, tmp_path / "a")[1]
    written = (tmp_path / "a" / "config.json").read_text()
    for flags, words in (
        (["--tuning", "3"], "config.tuning: 4 → 3"),
        (["--tuning", "5", "--epochs", "4"], "config.epochs: 3 → 4; config.tuning: 4 → 5"),
        (["--tuning", "4", "--epochs", "4"], "config.epochs: 3 → 4"),
        (["--tuning", "5", "--rate", "0.2"], "config.rate: 0.1 → 0.2"),
    ):
        status, _, err = run(capsys, *train, *flags, "--run-dir", tmp_path / "a")
        assert (status, words in err) == (2, True), err
    assert (tmp_path / "a" / "config.json").read_text() == written
    assert result(tmp_path / "a")["status"] == "completed"


def test_a_kill_between_the_two_writes_leaves_the_run_as_it_was(capsys, tmp_path, monkeypatch):
    toy.register(monkeypatch)
    train = ["train", "toy", "--devices", "1", "--run-dir", tmp_path]
    assert run(capsys, *train, "--tuning", "1")[0] == 0
    before = result(tmp_path)

    def killed(path, value):
        if path.name == "config.json":
            raise KeyboardInterrupt
        write(path, value)

    with monkeypatch.context() as patch:
        write = run_directory.write_json
        patch.setattr(run_directory, "write_json", killed)
        assert run(capsys, *train, "--tuning", "2")[0] == 130
    assert result(tmp_path)["status"] == "interrupted"
    assert run(capsys, *train, "--tuning", "1")[0] == 0
    assert result(tmp_path) == before


def test_what_cannot_go_on_is_left_as_it_was(capsys, tmp_path, monkeypatch):
    """A checkpoint of a dlfun whose model was another, another experiment, and lost rows."""
    toy.register(monkeypatch)
    train = ["train", "toy", "--devices", "1", "--run-dir", tmp_path]
    assert run(capsys, *train, "--tuning", "1")[0] == 0
    written = {path: path.read_bytes() for path in tmp_path.glob("*.json*")}

    def refused(*arguments, words):
        status, _, err = run(capsys, *arguments)
        assert (status, words in err) == (2, True), err
        assert {path: path.read_bytes() for path in written} == written

    with monkeypatch.context() as patch:

        def other_model(*_):
            raise UserError("does not fit the model")

        patch.setattr(checkpoint, "restore", other_model)
        refused(*train, "--tuning", "2", words="does not fit the model")
    refused("train", "xor_mlp", "--run-dir", tmp_path, words="(experiment: toy → xor_mlp")
    written[tmp_path / "metrics.jsonl"] = b""
    (tmp_path / "metrics.jsonl").write_bytes(b"")
    refused(*train, "--tuning", "1", words="it has 0 of ")


def test_a_field_of_an_older_config_is_named_with_its_file(capsys, tmp_path, monkeypatch):
    toy.register(monkeypatch)
    assert run(capsys, "train", "toy", "--devices", "1", "--run-dir", tmp_path)[0] == 0
    config = run_directory.read_json(tmp_path / "config.json", dict)
    config["config"]["raet"] = 1.0
    run_directory.write_json(tmp_path / "config.json", config)
    status, _, err = run(capsys, "evaluate", tmp_path)
    assert status == 2
    assert f"{tmp_path / 'config.json'}: Config has no field 'raet' (did you mean 'rate'?)" in err


def test_a_schedule_over_the_epochs_forbids_it(capsys, tmp_path, small_mnist):
    train = ["train", "mnist_mlp", "--hidden", "3", "--devices", "1", "--run-dir", tmp_path / "a"]
    cosine = [*train, "--optimizer.schedule.kind", "cosine", "--epochs"]
    assert run(capsys, *cosine, "1")[0] == 0
    written = (tmp_path / "a" / "config.json").read_text()
    status, _, err = run(capsys, *cosine, "2")
    assert status == 2
    assert "its updates depend on the number of epochs" in err
    assert (tmp_path / "a" / "config.json").read_text() == written
    assert result(tmp_path / "a")["status"] == "completed"


def test_from_another_run(capsys, tmp_path, small_mnist):
    """Arrays of the same name and shape are taken, the others are new; it is reproduced."""
    train = ["train", "mnist_mlp", "--epochs", "1", "--devices", "1"]
    source, tuned = tmp_path / "source", tmp_path / "tuned"
    assert run(capsys, *train, "--hidden", "5", "4", "--run-dir", source)[0] == 0
    still = ["--optimizer.learning-rate", "1e-30"]
    other = [*train, "--hidden", "5", "3", *still, "--from", source, "--run-dir", tuned]
    status, _, err = run(capsys, *other)
    assert status == 0
    new = "Dense_1.bias 3 (was 4), Dense_1.kernel 5×3 (was 5×4), Dense_2.kernel 3×10 (was 4×10)"
    assert f"from {source}: 3 of 6 arrays; new: {new}\n" in err
    a, b = dlfun.load(source).params, dlfun.load(tuned).params
    np.testing.assert_array_equal(a["Dense_0"]["kernel"], b["Dense_0"]["kernel"])
    np.testing.assert_array_equal(a["Dense_2"]["bias"], b["Dense_2"]["bias"])
    assert run(capsys, "reproduce", tuned)[0] == 0
    assert json.loads((tuned / "config.json").read_text())["options"]["from_run"] == str(source)
    for start, words in ((tmp_path, "is not a run directory"), (tmp_path / "x", "no such dir")):
        status, _, err = run(capsys, *train, "--from", start, "--run-dir", tmp_path / "new")
        assert (status, words in err) == (2, True)
    bad = [*train, "--hidden", "7", "8", "9", "--from", source, "--run-dir", tmp_path / "new"]
    status, _, err = run(capsys, *bad)
    assert status == 2
    assert "none of its arrays has the name and the shape" in err
    assert not (tmp_path / "new").exists()


def test_the_memory_of_optimizers_stays():
    from dlfun.algorithms.minimize import MinimizeState

    zero, one = np.zeros(3, np.float32), np.ones(3, np.float32)
    state = MinimizeState({"bias": zero}, {"mu": {"bias": zero}}, {"batch_stats": {"mean": zero}})
    assert set(parameters(state, MEMORY)) == {("bias",), ("batch_stats", "mean")}
    after = replace_parameters(state, {("bias",): one, ("batch_stats", "mean"): one}, MEMORY)
    assert after.params["bias"] is one
    assert after.optimizer["mu"]["bias"] is zero
    assert after.collections["batch_stats"]["mean"] is one
