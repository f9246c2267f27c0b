"""Runs as processes: killed, interrupted, locked, diverged; resumed to the same bits."""

import json
import random
import signal
import time

import pytest

from tests.processes import launch

# Small pieces, so that signals and kills fall within epochs.
SETTING = ["train", "mnist_mlp", "--epochs", "4", "--loop", "python", "--batch-size", "400"]


def finish(*arguments):
    process = launch(*arguments)
    out, err = process.communicate(timeout=120)
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
    result = json.loads((run / "result.json").read_text())
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    for row in [*rows, result]:
        for timing in ("seconds", "examples_per_second"):
            row.pop(timing, None)
    return last, result, rows


def assert_same_run(a, b):
    from dlfun.train import driver as runs

    (last_a, *rest_a), (last_b, *rest_b) = contents(a), contents(b)
    assert rest_a == rest_b
    assert last_a.name == last_b.name
    import jax
    import numpy as np

    states = [runs.read(run, pytest.fail).position for run in (a, b)]
    for x, y in zip(*map(jax.tree.leaves, states), strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "unbroken"
    status, out, err = finish(*SETTING, "--run-dir", run)
    assert status == 0, err
    assert "completed" in out
    return run


def test_killed_at_random_moments(unbroken, tmp_path):
    """kill -9 four times, then to the end: the same bits as the unbroken run."""
    run = tmp_path / "killed"
    moments = random.Random()
    for _ in range(4):
        process = launch(*SETTING, "--run-dir", run)
        wait_for_training(run, process)
        time.sleep(moments.uniform(0, 1.0))
        process.kill()
        process.communicate()
    status, _, err = finish(*SETTING, "--run-dir", run)
    assert status == 0, err
    assert_same_run(unbroken, run)


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM])
def test_signals_save_and_resume(unbroken, tmp_path, which):
    run = tmp_path / "interrupted"
    process = launch(*SETTING, "--run-dir", run)
    wait_for_training(run, process)
    process.send_signal(signal.SIGSTOP)  # Else it would be done before the second has begun.
    status, _, second = finish(*SETTING, "--run-dir", run)
    process.send_signal(which)
    process.send_signal(signal.SIGCONT)
    _, err = process.communicate(timeout=60)
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
    assert f"step {result['step']} is not finite" in err
