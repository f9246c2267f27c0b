"""The command line as a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
MAIN = """
import sys
from dlfun.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def launch(*arguments, setup=""):
    """`launch.py` under way, after the code `setup`; what it prints waits in its pipes."""
    program = ["-c", setup + MAIN] if setup else ["launch.py"]
    return subprocess.Popen(
        [sys.executable, *program, *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | {"JAX_NUMPY_DTYPE_PROMOTION": "standard", "XLA_FLAGS": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
