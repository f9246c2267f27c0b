"""TensorBoard's events of a run."""

import struct
from pathlib import Path

import jax.numpy as jnp
import pytest
from tensorboardX.proto.event_pb2 import Event

from dlfun.cli.main import main
from dlfun.optimizers import Schedule, rate_factor
from dlfun.train import run_directory


def events(run: Path) -> list[Event]:
    """The events of a run's only file: length, checksum, event and checksum of each."""
    (path,) = run.glob("events.*")
    data, found = path.read_bytes(), []
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        found.append(Event.FromString(data[12 : 12 + length]))
        data = data[16 + length :]
    return found


def test_events(small_mnist, tmp_path):
    """Metrics by global step, the learning rate, the pace, hyperparameters with their results."""
    flags = ["--hidden", "4", "--epochs", "3", "--batch-size", "100", "--histograms"]
    flags += ["--optimizer.schedule.kind", "cosine"]
    assert main(["train", "mnist_mlp", *flags, "--run-dir", str(tmp_path / "run")]) == 0
    values = [
        (event.step, value.tag, value)
        for event in events(tmp_path / "run")
        for value in event.summary.value
    ]
    scalars: dict[str, list] = {}
    for step, tag, value in values:
        if value.HasField("simple_value"):
            scalars.setdefault(tag, []).append((step, value.simple_value))
    assert [step for step, _ in scalars["test/loss"]] == [3, 6, 9, 9]
    histograms = [(s, tag, value.histo.num) for s, tag, value in values if value.histo.num]
    assert {tag for _, tag, _ in histograms} == {
        f"Dense_{i}/{name}" for i in (0, 1) for name in ("bias", "kernel")
    }
    assert (9, "Dense_0/kernel", 784 * 4) in histograms
    factor = rate_factor(Schedule("cosine"), 3, 3)
    for step, rate in scalars["learning_rate"]:
        assert rate == pytest.approx(1e-3 * float(factor(jnp.int32(step - 1))))
    assert all(pace > 0 for _, pace in scalars["examples_per_second"])
    started = [value for _, tag, value in values if tag.endswith("session_start_info")]
    assert b"optimizer.learning_rate" in started[0].metadata.plugin_data.content
    described = [value for _, tag, value in values if tag.endswith("/experiment")]
    assert b"test/accuracy" in described[0].metadata.plugin_data.content
    result = run_directory.read_result(tmp_path / "run")
    accuracy = result["metrics"]["test"]["accuracy"]
    assert scalars["test/accuracy"][-1] == (9, pytest.approx(accuracy))
