"""The command `train`."""

import dataclasses
import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro

from dlfun import experiment
from dlfun.cli.console import PROGRAM, DataDir, show_metrics, unprefixed
from dlfun.cli.parse import parse


@dataclass(frozen=True)
class Train:
    """Train an experiment; `train EXPERIMENT --help` shows its hyperparameters."""

    experiment: Annotated[str, tyro.conf.Positional]
    """Name of the experiment, as `list` prints it."""


@dataclass(frozen=True)
class Paths:
    """The folders that a run reads and writes."""

    run_dir: Path | None = None
    """Run directory; one that was interrupted is resumed. Default: runs/EXPERIMENT/DATE-seedN."""
    data_dir: DataDir = None


def train(arguments: Sequence[str]) -> int:
    """Run `train EXPERIMENT …`: the flags come from the experiment's Config."""
    name, rest = arguments[0], arguments[1:]
    chosen = experiment.load(name)
    from dlfun.train import driver
    from dlfun.train.options import Machines, Options, configure_jax

    kind = dataclasses.make_dataclass(
        "Train",
        [
            ("config", unprefixed(chosen.Config), field(default_factory=lambda: chosen.default)),
            ("options", unprefixed(Options), field(default_factory=Options)),
            ("machines", unprefixed(Machines), field(default_factory=Machines)),
            ("paths", unprefixed(Paths), field(default_factory=Paths)),
        ],
    )
    parsed: Any = parse(kind, rest, f"{PROGRAM} train {name}", description=chosen.description)
    configure_jax(parsed.options, parsed.paths.data_dir, parsed.machines)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    run = parsed.paths.run_dir or Path("runs") / name / f"{stamp}-seed{parsed.config.seed}"
    command = shlex.join([PROGRAM, "train", *arguments])
    result = driver.train(name, parsed.config, parsed.options, run, command)
    show_metrics(result["metrics"])
    print(f"{result['status']} in {result['seconds']:.1f} s: {run}")
    return driver.EXIT[result["status"]]
