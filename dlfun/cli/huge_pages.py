"""Memory in huge pages: 2 MiB each in place of 4 KiB, so that fewer addresses are looked up."""

import os
import sys
from pathlib import Path

VARIABLE, SETTING = "GLIBC_TUNABLES", "glibc.malloc.hugetlb=1"
SWITCH = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def in_huge_pages() -> None:
    """Start this program again with large arrays in huge pages, where Linux gives them on request.

    A training step's arrays are then found faster: a convolutional network on the CPU gains up to a
    quarter (benchmarks/README.md). The C library asks for them if told so before it starts. A
    program that was started with GLIBC_TUNABLES set goes on as it is.
    """
    if VARIABLE not in os.environ and SWITCH.is_file() and "[madvise]" in SWITCH.read_text():
        os.environ[VARIABLE] = SETTING
        os.execv(sys.executable, sys.orig_argv)
