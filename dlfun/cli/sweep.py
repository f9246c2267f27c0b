"""The commands `sweep` and `sweep-report`."""

import dataclasses
import json
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from annotated_types import Ge

from dlfun import config as configs
from dlfun import experiment as experiments
from dlfun.cli.console import COMMAND, PROGRAM, Run, note, now, show, unprefixed, warn
from dlfun.cli.parse import parse
from dlfun.errors import UserError
from dlfun.sweep import plan as plans
from dlfun.sweep import space
from dlfun.sweep.plan import Executor, Plan, Search
from dlfun.sweep.table import product
from dlfun.train.run_directory import remove_empty


@dataclass(frozen=True)
class Running:
    """Execution of a sweep."""

    executor: Executor = "here"
    """here: this process; processes: workers on this machine; ray: a Ray cluster (RAY_ADDRESS), or
    one started on this machine."""
    workers: Annotated[int, Ge(1)] | None = None
    """Worker processes. Default: 2."""
    precision: Literal["default", "bfloat16", "tensorfloat32", "float32"] = "default"
    """Precision of matrix products on devices that have a choice."""
    run_dir: Path | None = None
    """Folder of the sweep. Default: runs/EXPERIMENT/sweep-DATE."""
    resume: Path | None = None
    """Go on with the sweep in this folder; what to search is read there."""
    dry_run: bool = False
    """Say how many trials there are and which programs train them, and stop."""


@dataclass(frozen=True)
class Sweep:
    """Search the hyperparameters of an experiment; `sweep --resume DIR` goes on with a search."""

    experiment: Annotated[str, tyro.conf.Positional] | None = None
    """Name of the experiment, as `list` prints it; `sweep EXPERIMENT --help` adds its fields, which
    set what all trials have in common."""
    search: Annotated[Search, tyro.conf.arg(name="")] = field(default_factory=Search)
    running: Annotated[Running, tyro.conf.arg(name="")] = field(default_factory=Running)

    def __call__(self) -> int:
        folder, storage = self.running.resume, self.search.storage
        if folder is None:
            raise UserError("sweep needs an EXPERIMENT, or --resume with the folder of a sweep")
        if self.search != Search(storage=storage):
            raise UserError("--resume reads what to search from its folder: give only --storage")
        return _run(plans.read(folder, storage), folder, self.running)


def sweep(arguments: Sequence[str]) -> int:
    """`sweep EXPERIMENT …`: the base configuration's flags come from the experiment."""
    name, rest = arguments[0], arguments[1:]
    chosen = experiments.load(name)
    kind = dataclasses.make_dataclass(
        "Sweep",
        [
            ("search", unprefixed(Search), field(default_factory=Search)),
            ("running", unprefixed(Running), field(default_factory=Running)),
            ("config", unprefixed(chosen.Config), field(default_factory=lambda: chosen.default)),
        ],
    )
    parsed: Any = parse(
        kind,
        rest,
        f"{PROGRAM} sweep {name}",
        description=chosen.description,
    )
    if parsed.running.resume is not None:
        raise UserError("--resume reads what to search from its folder: give no EXPERIMENT")
    for part in (parsed.search, parsed.running, parsed.config):
        configs.check(part)
    command = shlex.join([PROGRAM, "sweep", *arguments])
    precision = parsed.running.precision
    from dlfun.train.driver import with_absolute_folders

    over = space.with_absolute_folders(parsed.search.over, parsed.config)
    base = configs.to_dict(with_absolute_folders(parsed.config))
    search = dataclasses.replace(parsed.search, over=over)
    plan = Plan(name, base, search, precision, command)
    # They raise what is wrong with them before anything is written.
    _ = plan.space, plan.count, plan.seeds
    if plan.search.metric:
        from dlfun.sweep.run import choose_metric

        choose_metric(plan, {})
    if parsed.running.dry_run:
        return _run(plan, Path(), parsed.running)
    folder = parsed.running.run_dir and parsed.running.run_dir.expanduser()
    folder = folder or Path("runs") / name / f"sweep-{now()}"
    made = plans.write(plan, folder)
    try:
        return _run(plan, folder, parsed.running)
    except UserError:
        if not (folder / plans.TRIALS).exists():
            shutil.rmtree(folder)  # The command can be given again, corrected.
            remove_empty(made)
        raise


def _run(plan: Plan, folder: Path, running: Running) -> int:
    from dlfun.sweep.executors import cores, executor, set_up_process

    set_up_process(plan.precision, cores())
    if running.dry_run:
        from dlfun.sweep.dry_run import describe

        show(describe(plan))
        return 0
    from dlfun.sweep.progress import Progress
    from dlfun.sweep.run import check_metric, run

    check_metric(plan)

    seeds = plan.search.seeds
    note(f"sweep of {plan.experiment}: {product(plan.count, seeds)}, in {folder}")
    try:
        with (
            Progress(plan.count, seeds) as progress,
            executor(
                running.executor, running.workers, progress.note, progress.under_way
            ) as execute,
        ):
            run(plan, folder, execute, progress)
    except KeyboardInterrupt:
        storage = ["--storage", plan.search.storage] if plan.search.storage else []
        onward = [*_command(), "sweep", "--resume", str(folder), *storage]
        note(f"go on with: {shlex.join(onward)}")
        raise
    return _report(plan, folder, False)


@dataclass(frozen=True)
class SweepReport:
    """Rank the trials of a sweep: table, CSV, JSON, figures, and the command of the best."""

    run_dir: Run
    """Folder of the sweep; table.csv, table.json and plots/ go there."""
    json: bool = False
    """Print JSON instead of a table."""
    storage: str | None = None
    """The storage that the sweep was given, if any."""

    def __call__(self) -> int:
        return _report(plans.read(self.run_dir, self.storage), self.run_dir, self.json)


def _command() -> list[str]:
    """The words that a command begins with, of this program and with the user's experiments."""
    return [*COMMAND, *experiments.folder_flags()]


def _report(plan: Plan, folder: Path, as_json: bool) -> int:
    from dlfun.sweep.report import report

    rows, values = report(plan, folder, _command(), warn)
    if as_json:
        print(json.dumps(values, indent=2))
        return 0
    show(rows)
    if hidden := len(values["trials"]) - rows.row_count:
        print(f"{hidden} more: {folder / 'table.csv'}")
    if values["best"]:
        print(values["best"])
    for line in values["rerun"]:
        print(line)
    print(folder)
    return 0
