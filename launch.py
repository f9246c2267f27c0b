#!/usr/bin/env python3
"""dlfun's command line: `python launch.py --help`."""

import sys

from dlfun.commands import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
