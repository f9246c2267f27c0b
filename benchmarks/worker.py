"""Workers: processes that hold one framework and one network, and run tasks on request.

In one process the thread pools of two frameworks would compete for the cores. A worker is one
process, started once, compiled and warmed up. One worker at a time runs a task, while the others
wait for a line on standard input. Their processor time while waiting is measured.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil

from dlfun.cli import huge_pages as pages
from dlfun.errors import UserError

ROOT = Path(__file__).parent.parent
ENVIRONMENT = {"JAX_PLATFORMS": "cpu", pages.VARIABLE: pages.SETTING}
"""Variables for the CPU, also if there is a GPU, and for huge pages, for PyTorch too."""


class Worker:
    """A worker seen by the process that asks. Raises UserError if it ends without an answer."""

    def __init__(self, module: str, settings: Mapping[str, Any]) -> None:
        self.name = module
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, json.dumps(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=os.environ | ENVIRONMENT,
        )
        self.about = self._answer()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *exception: object) -> None:
        self.process.kill()
        self.process.communicate()

    def ask(self, task: str) -> dict[str, Any]:
        """Run `task` in the worker; return its answer, seconds, idle time and peak memory."""
        assert self.process.stdin
        self.process.stdin.write(task + "\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise UserError(f"{self.name} ended with status {self.process.wait()}: see above")
        return json.loads(line)


def serve(prepare: Callable[[dict[str, Any]], tuple[Any, Mapping[str, Callable[[], Any]]]]) -> None:
    """Serve tasks: `prepare(settings)` returns a description of the worker and its tasks by name.

    A line of standard input names a task. The answer is a line of JSON: answer: the result of the
    task; seconds: its wall-clock time; memory: peak resident bytes so far; idle: [processor
    seconds, wall-clock seconds] between the previous answer and this task.
    """
    # Output of libraries must not mix with the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(value: Any) -> None:
        answers.write(json.dumps(value) + "\n")
        answers.flush()

    about, tasks = prepare(json.loads(sys.argv[1]))
    answer(about)
    processor, wall = time.process_time(), time.perf_counter()
    for line in sys.stdin:
        began = time.perf_counter()
        idle = (time.process_time() - processor, began - wall)
        value = tasks[line.strip()]()
        seconds = time.perf_counter() - began
        answer({"answer": value, "seconds": seconds, "memory": peak_memory(), "idle": idle})
        processor, wall = time.process_time(), time.perf_counter()


def peak_memory() -> int:
    """Peak resident size of this process so far, in bytes."""
    if sys.platform == "win32":
        return psutil.Process().memory_info().peak_wset
    import resource

    return in_bytes(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def in_bytes(maxrss: int) -> int:
    """Convert `ru_maxrss` to bytes: Linux counts in KiB, macOS in bytes."""
    return maxrss if sys.platform == "darwin" else maxrss * 1024


def best_rate(product: Callable[[], Any], size: int, tries: int = 3) -> float:
    """Best operations per second of `product`, one of two `size` x `size` matrices."""
    product()
    times = []
    for _ in range(tries):
        began = time.perf_counter()
        product()
        times.append(time.perf_counter() - began)
    return 2 * size**3 / min(times)
