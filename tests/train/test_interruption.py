"""Runs as processes: interrupted, locked, diverged; resumed to the same bits."""

import json
import signal
import time

import pytest

from dlfun.train import run_directory
from dlfun.train.driver import read_run
from tests.processes import launch
from tests.works import assert_equal

# Small pieces, so that signals and kills fall within epochs.
SETTING = ["train", "mnist_mlp", "--epochs", "4", "--loop", "python", "--batch-size", "400"]


def finish(*arguments):
    process = launch(*arguments)
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def wait_for_training(run, process):
    """Return once the run is under way."""
    while process.poll() is None:
        if (run / "result.json").exists() and (run / "metrics.jsonl").exists():
            status = json.loads((run / "result.json").read_text())["status"]
            if status == "running":
                return
        time.sleep(0.01)


def contents(run):
    """Parameters' files by checksum, metrics without timings."""
    last = sorted((run / "checkpoints").glob("[0-9]*"))[-1]
    result, rows = run_directory.read_result(run), run_directory.read_metrics(run)
    for row in [*rows, result]:
        for timing in ("seconds", "examples_per_second"):
            row.pop(timing, None)
    return last, result, rows


def assert_same_run(a, b):
    (last_a, *rest_a), (last_b, *rest_b) = contents(a), contents(b)
    assert rest_a == rest_b
    assert last_a.name == last_b.name
    for which in ("last", "best"):
        one, other = (read_run(run, pytest.fail, which).trained for run in (a, b))
        assert one.step == other.step
        assert_equal(one.state, other.state)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "unbroken"
    status, out, err = finish(*SETTING, "--run-dir", run)
    assert status == 0, err
    assert "completed" in out
    return run


@pytest.mark.parametrize(
    "which", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_signals_save_and_resume(unbroken, tmp_path, which):
    run = tmp_path / "interrupted"
    process = launch(*SETTING, "--run-dir", run)
    wait_for_training(run, process)
    process.send_signal(signal.SIGSTOP)  # Else it would be done before the second has begun.
    status, _, second = finish(*SETTING, "--run-dir", run)
    process.send_signal(which)
    process.send_signal(signal.SIGCONT)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 130, err
    assert status == 2
    assert "in use by another process" in second
    assert len(second.splitlines()) == 1
    result = json.loads((run / "result.json").read_text())
    assert result["status"] == "interrupted"
    status, _, err = finish(*SETTING, "--run-dir", run)
    assert status == 0, err
    assert f"step {result['step']}" in err
    assert_same_run(unbroken, run)


def test_finished_and_changed_runs(unbroken):
    before = contents(unbroken)
    status, out, err = finish(*SETTING, "--run-dir", unbroken)
    assert status == 0, err
    assert "epoch" not in err
    assert "completed" in out
    status, _, err = finish(*SETTING, "--run-dir", unbroken, "--optimizer.learning-rate", 0.1)
    assert status == 2
    assert "config.optimizer.learning_rate: 0.001 → 0.1" in err
    assert len(err.splitlines()) == 1
    assert contents(unbroken) == before


def test_divergence(tmp_path):
    run = tmp_path / "diverged"
    sgd = ["--optimizer.name", "sgd", "--optimizer.learning-rate", "1e38"]
    status, _, err = finish("train", "mnist_mlp", *sgd, "--run-dir", run)
    assert status == 3, err
    result = json.loads((run / "result.json").read_text())
    assert result["status"] == "diverged"
    assert result["step"] > 0
    assert result["checkpoint"] is None
    step = result["step"]
    assert f"diverged: a metric of step {step} is not finite; last good checkpoint: none" in err
