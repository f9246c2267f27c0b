"""The command line as a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
CHECKPOINT_EVERY_EPOCH = """
from dlfun.train import lockstep
assert lockstep.SHARE > 0
lockstep.SHARE = 0
"""
MAIN = """
import sys
from dlfun.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def launch(*arguments, checkpoint_every_epoch=False, setup=""):
    """`launch.py` under way, after the code `setup`; what it prints waits in its pipes."""
    setup = CHECKPOINT_EVERY_EPOCH if checkpoint_every_epoch else setup
    program = ["-c", setup + MAIN] if setup else ["launch.py"]
    return subprocess.Popen(
        [sys.executable, *program, *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | {"JAX_NUMPY_DTYPE_PROMOTION": "standard", "XLA_FLAGS": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
