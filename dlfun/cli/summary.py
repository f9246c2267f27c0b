"""The command `summary`."""

import json
from dataclasses import dataclass
from typing import Annotated

import tyro

from dlfun import experiment
from dlfun.cli.console import show


@dataclass(frozen=True)
class Summary:
    """Describe an experiment's networks layer by layer: shapes, parameters, multiply-adds."""

    experiment: Annotated[str, tyro.conf.Positional]
    """Name of the experiment."""
    json: bool = False
    """Print JSON instead of a table."""

    def __call__(self) -> int:
        chosen = experiment.load(self.experiment)
        from dlfun.nn import summary

        rows = summary.summarize_experiment(chosen)
        if self.json:
            print(json.dumps(summary.to_dict(rows), indent=2))
        else:
            show(summary.render(rows))
        return 0
