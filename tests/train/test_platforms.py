"""Training needs nothing that only Linux has."""

import subprocess
import sys

CODE = """
import os, pathlib, sys
import asyncio, filelock, psutil  # They know each system.
sys.modules["fcntl"] = sys.modules["resource"] = None
for name in ("sysconf", "sched_getaffinity"):
    vars(os).pop(name, None)
os.process_cpu_count = os.cpu_count  # As Python's os.py has it there.
read = pathlib.Path.read_text
def without_proc(path, *rest, **named):
    if path.parts[:2] in ((path.root, "proc"), (path.root, "sys")):
        raise FileNotFoundError(path)
    return read(path, *rest, **named)
pathlib.Path.read_text = without_proc
from dlfun.cli.main import main
for command in (["train", "xor_mlp", "--epochs", "1", "--run-dir", sys.argv[1]], ["runs", "."]):
    assert main(command) == 0, command
"""


def test_training_without_what_only_linux_has(tmp_path):
    asked = [sys.executable, "-c", CODE, str(tmp_path / "run")]
    done = subprocess.run(asked, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "completed" in done.stdout
