"""Time and memory of whole processes, from start to result."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.worker import ENVIRONMENT, ROOT, in_bytes
from dlfun.errors import UserError
from dlfun.train import run_directory as runs


class Finished(NamedTuple):
    """Measurements of a process that ended with status 0."""

    seconds: float
    """Wall-clock time of the process."""
    memory: int
    """Peak resident bytes."""
    accuracy: float
    """Accuracy on the test set."""


def dlfun_run(network: str, *flags: str) -> Finished:
    """Run `launch.py train NETWORK` in a new run directory."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "run"
        command = [str(ROOT / "launch.py"), "train", network, "--run-dir", str(directory), *flags]
        seconds, memory, _ = _run(command)
        result = runs.read_result(directory)
        return Finished(seconds, memory, result["metrics"]["test"]["accuracy"])


def book_run(network: str, config: Mapping[str, Any]) -> Finished:
    """Run the PyTorch script of `benchmarks.book`."""
    settings = json.dumps({"network": network, "config": config})
    seconds, memory, benchmark = _run(["-m", "benchmarks.book", settings])
    return Finished(seconds, memory, float(benchmark.splitlines()[-1]))


def _run(arguments: Sequence[str]) -> tuple[float, int, str]:
    """Seconds, peak memory and output of a Python process. Raises UserError if it fails."""
    with tempfile.TemporaryFile("w+") as output:
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=ROOT,
            env=os.environ | ENVIRONMENT,
        )
        # Unlike process.wait, wait4 returns the memory of this child alone.
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        benchmark = output.read()
    if process.returncode:
        last = (benchmark.strip().splitlines() or ["nothing benchmark"])[-1]
        raise UserError(f"{' '.join(arguments[:3])}: status {process.returncode}: {last}")
    return seconds, in_bytes(usage.ru_maxrss), benchmark
