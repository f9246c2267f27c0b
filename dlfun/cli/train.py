"""The command `train`."""

import dataclasses
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro

from dlfun import config as configs
from dlfun import experiment
from dlfun.cli.console import PROGRAM, now, show_metrics, unprefixed
from dlfun.cli.parse import parse
from dlfun.cli.results import statement
from dlfun.experiment import Experiment, format_metric


@dataclass(frozen=True)
class Train:
    """Train an experiment; `train EXPERIMENT --help` shows its hyperparameters."""

    experiment: Annotated[str, tyro.conf.Positional]
    """Name of the experiment, as `list` prints it."""


@dataclass(frozen=True)
class Paths:
    """The folders that a run reads and writes, and what it writes."""

    run_dir: Path | None = None
    """Run directory; one that was interrupted is resumed. Default: runs/EXPERIMENT/DATE-seedN."""
    histograms: bool = False
    """Write histograms of the parameters into TensorBoard's events after each epoch."""


def train(arguments: Sequence[str]) -> int:
    """Run `train EXPERIMENT …`: the flags come from the experiment's Config."""
    name, rest = arguments[0], arguments[1:]
    chosen = experiment.load(name)
    from dlfun.train import driver, run_directory
    from dlfun.train.options import Machines, Options, configure_jax
    from dlfun.train.trainer import Outputs

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
    configure_jax(parsed.options, parsed.machines)
    # A shell leaves the ~ of --run-dir=~/x as it is.
    run = parsed.paths.run_dir and parsed.paths.run_dir.expanduser()
    run = run or Path("runs") / name / f"{now()}-seed{parsed.config.seed}"
    command = shlex.join([PROGRAM, "train", *arguments])
    before = run_directory.read_result(run)
    outputs = Outputs(histograms=parsed.paths.histograms)
    result = driver.train(name, parsed.config, parsed.options, run, command, outputs)
    status, seconds = result["status"], f"{result['seconds']:.1f} s"
    show_metrics(result["metrics"])
    if status == "completed":
        for line in claim_lines(chosen, parsed.config, result["metrics"]):
            print(line)
    trained = before.get("status") not in run_directory.FINAL or before["step"] != result["step"]
    ended = f"{status} in" if trained else f"was {status} already, in"
    print(f"{ended} {seconds}: {run}")
    return driver.EXIT[status]


def claim_lines(
    chosen: Experiment, config: Any, metrics: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """A line for each claim on this setting: its bound, the measured value, how to check it."""
    start = dataclasses.replace(config, seed=chosen.default.seed)
    claims, flag = (chosen.claims, "--seeds 5") if start == chosen.default else ((), "")
    quick = chosen.quick
    if quick and start == configs.replace(chosen.default, quick.values):
        claims, flag = quick.claims, "--quick"
    lines = []
    for claim in claims:
        split, _, metric = claim.metric.partition("/")
        value = metrics.get(split, {}).get(metric)
        if value is not None:
            bound = statement(claim.metric, claim.at_least, claim.at_most)
            lines.append(
                f"claim: {bound} {claim.source}: {format_metric(metric, value)} with this seed; "
                f"the claim is of the mean over seeds: reproduce {chosen.name} {flag}"
            )
    return lines
