#!/usr/bin/env python3
"""dlfun's command line: `python launch.py --help`."""

import sys

from dlfun.cli.huge_pages import in_huge_pages

if __name__ == "__main__":
    in_huge_pages(sys.argv[1:])
    from dlfun.cli.main import main  # After it: importing JAX takes a second.

    sys.exit(main(sys.argv[1:]))
