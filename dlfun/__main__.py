"""dlfun's command line: `python -m dlfun --help`."""

from dlfun.cli.main import entry

if __name__ == "__main__":
    entry()
