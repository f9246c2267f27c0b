"""The entry point of a process: it sets the process up before the libraries are imported."""

import sys

from dlfun.cli.huge_pages import in_huge_pages
from dlfun.train.signals import remember_interrupt


def start() -> None:
    """Run the command that the process was started with."""
    in_huge_pages(sys.argv[1:])
    remember_interrupt()
    try:
        from dlfun.cli.main import main  # Importing JAX takes a second.

        status = main(sys.argv[1:])
    except KeyboardInterrupt:
        status = 130
    sys.exit(status)
