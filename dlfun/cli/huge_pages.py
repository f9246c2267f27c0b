"""Memory in huge pages: 2 MiB each in place of 4 KiB, so that fewer addresses are looked up."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

VARIABLE, SETTING = "GLIBC_TUNABLES", "glibc.malloc.hugetlb=1"
SWITCH = Path("/sys/kernel/mm/transparent_hugepage/enabled")
ACCELERATOR = Path("/dev/nvidiactl")
TRAINING = ("train", "reproduce", "sweep")
"""Commands that train."""


def in_huge_pages(arguments: Sequence[str]) -> None:
    """Start a command that trains again with large arrays in huge pages.

    On a CPU a training step's arrays are then found faster: a convolutional network gains up to a
    quarter (benchmarks/README.md). The C library asks Linux for them if told so before it starts.
    Nothing is done where Linux does not give them on request, GLIBC_TUNABLES is set, a GPU is
    there, or a debugger or profiler traces the process, which it would lose.
    """
    if not arguments or arguments[0] not in TRAINING or sys.gettrace() or sys.getprofile():
        return
    if VARIABLE in os.environ or ACCELERATOR.exists() or not SWITCH.is_file():
        return
    if "[madvise]" in SWITCH.read_text():
        os.environ[VARIABLE] = SETTING
        os.execv(sys.executable, sys.orig_argv)
