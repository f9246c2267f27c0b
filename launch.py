#!/usr/bin/env python3
"""dlfun's command line: `python launch.py --help`."""

from dlfun.cli.start import start

if __name__ == "__main__":
    start()
