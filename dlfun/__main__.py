"""dlfun's command line: `python -m dlfun --help`."""

from dlfun.cli.start import start

if __name__ == "__main__":
    start()
