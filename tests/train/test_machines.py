"""Two processes that meet on loopback: the run of one process, written once."""

import json
import socket

import jax
import numpy as np
import pytest

from dlfun.errors import UserError
from dlfun.train import options
from dlfun.train.driver import read
from tests.processes import launch

SETTING = ["train", "mnist_mlp", "--epochs", "1", "--hidden", "16", "--batch-size", "999"]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.mark.slow
def test_two_processes_give_the_single_process_result(tmp_path):
    where = f"127.0.0.1:{free_port()}"
    meeting = ["--coordinator", where, "--num-processes", 2]
    both = [
        launch(*SETTING, *meeting, "--process-id", i, "--run-dir", tmp_path / f"two{i}")
        for i in range(2)
    ]
    one = launch(*SETTING, "--devices", 2, "--run-dir", tmp_path / "one")
    for process in (*both, one):
        out, err = process.communicate(timeout=400)
        assert process.returncode == 0, err
        assert "completed" in out
    assert not (tmp_path / "two1").exists()
    together, alone = (
        read(tmp_path / name, pytest.fail)[1].state.params for name in ("two0", "one")
    )
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7), together, alone
    )
    recorded = json.loads((tmp_path / "two0/config.json").read_text())["options"]
    assert recorded["feed"] == "stream"
    assert recorded["devices"] == 2


@pytest.mark.parametrize(
    ("machines", "words"),
    [
        ({"num_processes": 2, "process_id": 0}, "--coordinator is missing"),
        (
            {"coordinator": "here", "num_processes": 2, "process_id": 0},
            "--coordinator must be HOST:PORT, PORT from 1 to 65535, got here",
        ),
        (
            {"coordinator": "here:1", "num_processes": 2, "process_id": 2},
            "--process-id must be below --num-processes 2, got 2",
        ),
    ],
)
def test_bad_meetings(machines, words):
    with pytest.raises(UserError, match=words):
        options.configure_jax(options.Options(), options.Machines(**machines))


def test_slurm_and_tpu_tell_how_many():
    assert options._cluster_size({}) == 1
    assert options._cluster_size({"SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "4"}) == 4
    assert options._cluster_size({"TPU_WORKER_HOSTNAMES": "a,b"}) == 2
