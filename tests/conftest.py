"""Every test runs with strict promotion, two virtual CPU devices, checked shapes and no network."""

import os
import socket
from pathlib import Path

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["JAX_NUMPY_DTYPE_PROMOTION"] = "strict"
os.environ["JAX_NUM_CPU_DEVICES"] = "2"
# Most of a test's time goes into compiling what is run once or twice.
os.environ["XLA_FLAGS"] = "--xla_backend_optimization_level=0"

from jaxtyping import install_import_hook

# Not dlfun.optimizers: the float fields of its dataclasses may be traced arrays.
PARTS = ("algorithms", "data", "metrics", "nn", "random", "train", "transforms")
# What an experiment has for itself beside its build(), whose Config's floats may be traced too.
ROOT = Path(__file__).parent.parent
OWN = [path.relative_to(ROOT).with_suffix("") for path in ROOT.glob("experiments/*/*/[!_]*.py")]
MODULES = [f"dlfun.{part}" for part in PARTS] + [".".join(path.parts) for path in OWN]
install_import_hook(MODULES, "beartype.beartype")

import numpy as np
import pytest

from dlfun import data
from dlfun.data import Dataset

REAL_LOAD = data.load


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    """Fail on any connection that leaves this machine."""
    connect = socket.socket.connect

    def guarded(self, address):
        if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise OSError(f"a test reached for the network: {address}")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(scope="session")
def digits() -> Dataset:
    """MNIST's first 300 training and 120 test images: 300 does not divide by 64."""
    mnist = REAL_LOAD("mnist")
    sizes = {"train": 300, "test": 120}
    splits = {
        name: {key: np.ascontiguousarray(array[:size]) for key, array in mnist.splits[name].items()}
        for name, size in sizes.items()
    }
    return mnist._replace(splits=splits)


@pytest.fixture
def small_mnist(monkeypatch, digits):
    """Have every experiment load the small MNIST, and image folders as they are."""

    def load(name, *, data_dir=None, validation=0.0, seed=0):
        if name.startswith("folder:"):
            return REAL_LOAD(name, data_dir=data_dir, validation=validation, seed=seed)
        return data.hold_out_validation(digits, validation, seed)

    monkeypatch.setattr(data, "load", load)
    return digits
