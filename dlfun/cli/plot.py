"""The command `plot`: the figures of a run directory."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dlfun.cli.console import Run, warn

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class Plot:
    """Draw the figures of a run: its experiment's, else learning curves, mistakes and filters."""

    run_dir: Run
    """Run directory; the figures go into its folder plots/."""

    def __call__(self) -> int:
        for path in plot(self.run_dir, warn):
            print(path)
        return 0
