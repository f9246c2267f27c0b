"""The commands of `launch.py`: each a documented dataclass whose call does the work.

Heavy libraries are imported where they are used, so that help and lists answer at once.
"""

import dataclasses
import errno
import json
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import tyro
from rich.table import Table

from dlfun import experiment
from dlfun.cli import parse as cli
from dlfun.cli.console import PROGRAM, Run, default, note, show, show_metrics, unprefixed, warn
from dlfun.cli.sweep import Sweep, SweepReport, sweep
from dlfun.errors import LayerError, UserError, nearest

Files = Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="FILE …")]


@dataclass(frozen=True)
class List:
    """List the experiments: name, what each shows, its figure and rough time."""

    json: bool = False
    """Print JSON instead of a table."""

    def __call__(self) -> int:
        rows = [experiment.describe(name) for name in experiment.paths()]
        if self.json:
            print(json.dumps(rows, indent=2, ensure_ascii=False))
            return 0
        table = Table("experiment", "shows", "figure", "time", box=None)
        for row in rows:
            table.add_row(*row.values())
        show(table)
        return 0


@dataclass(frozen=True)
class Train:
    """Train an experiment; `train EXPERIMENT --help` shows its hyperparameters."""

    experiment: Annotated[str, tyro.conf.Positional]
    """Name of the experiment, as `list` prints it."""


@dataclass(frozen=True)
class Place:
    """Where a run reads and writes."""

    run_dir: Path | None = None
    """Run directory; one that was interrupted is resumed. Default: runs/EXPERIMENT/DATE-seedN."""
    data_dir: Path | None = None
    """Folder of datasets. Default: the environment variable DLFUN_DATA."""


def train(arguments: Sequence[str]) -> int:
    """`train EXPERIMENT …`: flags come from the experiment's own Config."""
    name, rest = arguments[0], arguments[1:]
    module = experiment.load(name)
    from dlfun.train.driver import EXIT
    from dlfun.train.driver import train as run_training
    from dlfun.train.options import Machines, Options, set_up

    kind = dataclasses.make_dataclass(
        "Train",
        [
            ("config", unprefixed(module.Config), field(default_factory=lambda: default(module))),
            ("options", unprefixed(Options), field(default_factory=Options)),
            ("machines", unprefixed(Machines), field(default_factory=Machines)),
            ("place", unprefixed(Place), field(default_factory=Place)),
        ],
    )
    said: Any = cli.parse(kind, rest, f"{PROGRAM} train {name}", description=module.__doc__)
    set_up(said.options, said.place.data_dir, said.machines)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    run = said.place.run_dir or Path("runs") / name / f"{stamp}-seed{said.config.seed}"
    command = shlex.join([PROGRAM, "train", *arguments])
    result = run_training(name, said.config, said.options, run, command)
    show_metrics(result["metrics"])
    print(f"{result['status']} in {result['seconds']:.1f} s: {run}")
    return EXIT[result["status"]]


@dataclass(frozen=True)
class Evaluate:
    """Recompute the metrics of the held-out splits from a checkpoint."""

    run_dir: Run
    """Run directory."""
    checkpoint: Literal["last", "best"] = "last"
    """Which checkpoint; the best is that of lowest validation (else training) loss."""
    json: bool = False
    """Print JSON instead of lines."""

    def __call__(self) -> int:
        from dlfun.train import run_directory as runs
        from dlfun.train.driver import evaluate

        found = evaluate(self.run_dir, warn, self.checkpoint)
        recorded = runs.read_result(self.run_dir)
        known = {split: recorded.get("metrics", {}).get(split) for split in found}
        # Both through JSON, where nan is equal to nan.
        same = json.dumps(found) == json.dumps(known) if self.checkpoint == "last" else None
        if self.json:
            print(json.dumps({"metrics": found, "equal_to_result": same}))
        else:
            show_metrics(found)
            if same is not None and recorded.get("status") == "completed":
                print("equal to result.json" if same else "NOT equal to result.json")
        return 1 if same is False and recorded.get("status") == "completed" else 0


@dataclass(frozen=True)
class Predict:
    """Classify image files with a trained run."""

    run_dir: Run
    """Run directory."""
    files: Files
    """Image files, of any size and format that Pillow reads."""
    invert: bool = False
    """Exchange black and white: MNIST's digits are white on black."""
    json: bool = False
    """Print one JSON object a line."""

    def __call__(self) -> int:
        from dlfun.cli.predict import predict

        for row in predict(self.run_dir, list(self.files), self.invert, note):
            if self.json:
                print(json.dumps(row))
                continue
            top = sorted(row["probabilities"].items(), key=lambda item: -item[1])
            ranked = "  ".join(f"{name} {probability:.4f}" for name, probability in top)
            print(f"{row['file']}: {row['class']}  ({ranked})")
        return 0


@dataclass(frozen=True)
class Summary:
    """Describe an experiment's network layer by layer: shapes, parameters, multiply-adds."""

    experiment: Annotated[str, tyro.conf.Positional]
    """Name of the experiment."""
    json: bool = False
    """Print JSON instead of a table."""

    def __call__(self) -> int:
        module = experiment.load(self.experiment)
        from dlfun.nn import summary

        rows = summary.summarize_experiment(self.experiment, default(module))
        if self.json:
            print(json.dumps(summary.to_dict(rows), indent=2))
        else:
            show(summary.render(rows))
        return 0


@dataclass(frozen=True)
class Plot:
    """Draw learning curves, confusion matrix, worst mistakes and first-layer filters."""

    run_dir: Run
    """Run directory; the figures go into its folder plots/."""

    def __call__(self) -> int:
        from dlfun.plots import plot

        for path in plot(self.run_dir, warn):
            print(path)
        return 0


@dataclass(frozen=True)
class Reproduce:
    """Check claims over several seeds, or run one run directory again to the same bits."""

    what: Annotated[
        tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="NAME … | RUN_DIR")
    ]
    """Experiments, folders of experiments, or one run directory."""
    seeds: int | None = None
    """How many random seeds: 0, 1, … Default: 5, with --quick 1."""
    quick: bool = False
    """Check the claims of the quick setting of each experiment that has one: fewer examples or
    epochs, in minutes for a folder of experiments."""
    run_dir: Path = Path("runs/reproduce")
    """Where the runs of claims go; finished ones are not trained again."""
    data_dir: Path | None = None
    """Folder of datasets. Default: the environment variable DLFUN_DATA."""
    json: bool = False
    """Print JSON instead of a table."""
    markdown: bool = False
    """Print a Markdown table."""

    def __call__(self) -> int:
        from dlfun.cli import reproduce as report

        seeds = self.seeds if self.seeds is not None else 1 if self.quick else 5
        if seeds < 1:
            raise UserError(f"--seeds must be at least 1, got {seeds}")
        if (len(self.what) == 1 and "/" in self.what[0]) or Path(self.what[0]).is_dir():
            return report.reproduce_run(Path(self.what[0]), warn, self.json)
        names = report.expand(self.what)
        rows = report.reproduce(names, seeds, self.run_dir, self.data_dir, self.quick)
        if self.json:
            print(json.dumps(report.described(rows, seeds), indent=2, ensure_ascii=False))
        elif self.markdown:
            print(report.markdown(rows, seeds))
        else:
            show(report.table(rows))
        return 0 if all(row["holds"] for row in rows) else 1


@dataclass(frozen=True)
class Data:
    """List the datasets: present or not, where from, size, licence."""

    data_dir: Path | None = None
    """Folder of datasets. Default: the environment variable DLFUN_DATA."""
    json: bool = False
    """Print JSON instead of a table."""

    def __call__(self) -> int:
        from dlfun import data

        rows = [row._asdict() for row in data.catalogue(self.data_dir)]
        if self.json:
            print(json.dumps(rows, indent=2, default=str))
            return 0
        table = Table(
            "name", "present", "examples", "size", "licence", "source", "location", box=None
        )
        for row in rows:
            table.add_row(
                row["name"],
                "yes" if row["present"] else "no",
                ", ".join(f"{split} {count:,}" for split, count in row["examples"].items()),
                f"{row['size_bytes'] / 1e6:.1f} MB" if row["size_bytes"] else "",
                row["licence"],
                row["source"],
                str(row["location"]),
            )
        show(table)
        return 0


COMMANDS: dict[str, Any] = {
    "list": List,
    "train": Train,
    "evaluate": Evaluate,
    "predict": Predict,
    "summary": Summary,
    "plot": Plot,
    "reproduce": Reproduce,
    "sweep": Sweep,
    "sweep-report": SweepReport,
    "data": Data,
}
OF_EXPERIMENTS = {"train": train, "sweep": sweep}
"""Commands whose flags come from the experiment that they name first."""


def usage() -> str:
    """The help of the command line as a whole."""
    lines = [f"usage: {PROGRAM} COMMAND [-h] …", "", "commands:"]
    lines += [f"  {name:<13} {kind.__doc__}" for name, kind in COMMANDS.items()]
    lines += ["", f"`{PROGRAM} COMMAND --help` shows the flags of a command."]
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Run a command; the exit status: 0 done, 1 a check failed, 2 bad input, 3 diverged."""
    try:
        if not arguments or arguments[0] in ("-h", "--help"):
            print(usage())
            return 0 if arguments else 2
        name, *rest = arguments
        if name not in COMMANDS:
            known = ", ".join(COMMANDS)
            raise UserError(f"no command '{name}'{nearest(name, COMMANDS)}; there are: {known}")
        if name in OF_EXPERIMENTS and rest and not rest[0].startswith("-"):
            return OF_EXPERIMENTS[name](rest)
        return cli.parse(COMMANDS[name], rest, f"{PROGRAM} {name}")()
    except (UserError, LayerError) as error:
        note(f"error: {' '.join(str(error).split())}")
        return 2
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        note(f"error: no space left on the disk: {error.filename or 'while writing'}")
        return 2
    except KeyboardInterrupt:
        note("interrupted")
        return 130


def entry() -> NoReturn:
    """Run the command of `sys.argv`: the installed program `dlfun`."""
    sys.exit(main(sys.argv[1:]))
