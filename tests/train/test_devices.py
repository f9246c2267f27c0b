"""jit, pmap and shard_map over devices: the parameters of one device with the same batches."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.train import devices_worker

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def of_two(digits):
    """The distances of the two devices that tests have."""
    return devices_worker.distances(digits, 2, [("stream", 33)])


@pytest.fixture(scope="module")
def of_eight():
    """What `devices_worker.py` prints, in a process of its own for its 8 devices."""
    # On a busy machine 8 devices may wait longer for each other than the 40 s that XLA allows.
    patient = "--xla_cpu_collective_call_terminate_timeout_seconds=600"
    environment = os.environ | {
        "JAX_NUM_CPU_DEVICES": "8",
        "PYTHONPATH": str(ROOT),
        "XLA_FLAGS": f"{os.environ['XLA_FLAGS']} {patient}",
    }
    worker = Path(__file__).with_name("devices_worker.py")
    done = subprocess.run(
        [sys.executable, worker], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("way", ["jit", "pmap", "shard_map"])
@pytest.mark.parametrize(
    ("devices", "setting"),
    [
        ("of_two", "stream 33"),
        pytest.param("of_eight", "memory 64", marks=pytest.mark.slow),
        pytest.param("of_eight", "stream 33", marks=pytest.mark.slow),
    ],
)
def test_several_devices_equal_one(request, devices, way, setting):
    """Also where the last batch does not fill the devices: 300 = 4 · 64 + 44 = 9 · 33 + 3."""
    distance = request.getfixturevalue(devices)[f"{way} {setting}"]
    assert distance["parameters"] < 1e-6
    assert distance["loss"] < 1e-5
    assert distance["counts"] == [300, 120]
