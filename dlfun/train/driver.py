"""Trainings tied to run directories: one, or many members of a population in lockstep.

A member of a population leaves in its run directory what it leaves when trained alone on one
device: the same initial parameters to the bit, the same order of the data, and parameters that
differ by rounding alone (a vectorized product adds up in another order).
"""

import dataclasses
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax

from dlfun import config as configs
from dlfun import experiment as experiments
from dlfun.data import folders
from dlfun.errors import UserError
from dlfun.experiment import Experiment, Stage, Trained
from dlfun.nn.networks import MEMORY, parameters
from dlfun.train import checkpoint, loop, onward, run_directory
from dlfun.train.compile import compile_learner
from dlfun.train.lockstep import measures_of, merge
from dlfun.train.logging import Display
from dlfun.train.options import Options, choose_feed, configure_jax, settle
from dlfun.train.population import Group, group
from dlfun.train.signals import stop_signal
from dlfun.train.trainer import (
    DEFAULT_OUTPUTS,
    GroupTrainer,
    Member,
    Outputs,
    first_position,
    works,
)

EXIT = {"completed": 0, "diverged": 3, "interrupted": 130}
Warn = Callable[[str], None]


class MemberResult(NamedTuple):
    """A member that has ended, completed or not, or has come to `until`."""

    number: int
    result: dict[str, Any]


def train(
    name: str,
    config: Any,
    options: Options,
    run: Path,
    command: str,
    outputs: Outputs = DEFAULT_OUTPUTS,
) -> dict[str, Any]:
    """Train in the directory `run`, or go on where it stopped; return the contents of result.json.

    Of several processes only the first writes. Raises UserError on bad input, a directory in use,
    or one that holds another configuration.
    """
    configs.check(config)
    configs.check(options)
    config = with_absolute_folders(config)
    experiment = experiments.load(name)
    (alone,) = group(experiment, [config], ())
    stages = alone.stages()
    if options.from_run is not None:
        source = Path(options.from_run).expanduser().absolute()
        options = dataclasses.replace(options, from_run=str(source))
    options = settle(options, stages)
    description = run_directory.describe(name, config, configs.to_dict(options), command)
    epochs = works(stages)[-1].last_epoch
    leads = jax.process_index() == 0
    shown = tuple(dict.fromkeys(("loss", "accuracy", experiment.objective.metric)))
    with stop_signal() as stopped, Display(run, epochs, shown, silent=not leads) as display:
        first = _first_parameters(options, stages[0], run, display.note)
        if leads:
            rows = _rows(options)
            onward.extend(
                run,
                experiment,
                config,
                alone.data,
                description,
                lambda saved: checkpoint.restore(saved, first_position(stages, saved.stage, rows)),
                display.note,
            )
            if run_directory.read_result(run).get("status") in run_directory.FINAL:
                run_directory.read_metrics(run)  # Raises where rows are lost.
        trainer = GroupTrainer(
            alone,
            [Member(config, run)],
            options,
            description,
            note=display.note,
            leads=leads,
            first=first,
            outputs=outputs,
        )
        for _, result in trainer.train({}, stopped.is_set, display):
            display.ended(result)
    return result


def _rows(options: Options) -> int:
    """The devices that each keep totals of their own."""
    return (options.devices or 1) if options.parallel not in (None, "jit") else 1


def with_absolute_folders(config: Any) -> Any:
    """A Config that names a user's datasets by absolute paths, to be found from elsewhere."""
    named = {
        path: folders.absolute(value)
        for path, value in configs.flatten(config).items()
        if isinstance(value, str)
    }
    return configs.replace(config, named)


def _first_parameters(options: Options, stage: Stage, run: Path, note: Warn) -> dict[Any, Any]:
    """The arrays of --from that a run starts from; none where it goes on from a checkpoint."""
    folder = run / run_directory.CHECKPOINTS
    if options.from_run is None or checkpoint.latest(folder, lambda text: None):
        return {}
    source = Path(options.from_run)
    state = read_run(source, note).trained.state
    configure_jax(options)  # Reading a run has set that run's precision.
    return onward.matching(parameters(state, MEMORY), stage, source, note)


def train_members(
    name: str,
    members: Sequence[Member],
    options: Options,
    command: str,
    *,
    inputs: Collection[str] | None = None,
    until: int | None = None,
    sizes: dict[str, int] | None = None,
    outputs: Outputs = DEFAULT_OUTPUTS,
    note: Warn = lambda text: None,
    under_way: Callable[[float], None] = lambda trainings: None,
) -> Iterator[MemberResult]:
    """Train members of one experiment, as many at once as pay; yield each when it has ended.

    Args:
        name: the experiment.
        members: configurations and run directories; what was begun there goes on.
        options: only the precision is read: a member has one device and its data in memory.
        command: the command that config.json names.
        inputs: the values that are inputs of the programs, as in `group`.
        until: the epoch to stop after, for now, with status `interrupted`.
        sizes: members at once by structure, as measured before; what is measured is added.
        outputs: what each leaves in its run directory.
        note: called with lines for the user.
        under_way: called with what is done of the members that are trained now, as a number of
            whole trainings.

    A signal stops all, saved, with status `interrupted`; KeyboardInterrupt follows.
    """
    options = dataclasses.replace(
        options, devices=1, parallel="jit", feed="memory", loop="compiled"
    )
    experiment = experiments.load(name)
    groups = group(experiment, [member.config for member in members], inputs)
    for one in groups:
        stages = one.stages()
        if choose_feed([stage.dataset for stage in stages]) == "stream":
            raise UserError(
                f"{name}: a sweep shares its data on a device, and these do not fit there or are "
                "decoded as they are read: train each point by itself"
            )
        settle(options, stages)
    description = run_directory.describe(name, members[0].config, configs.to_dict(options), command)
    sizes = sizes if sizes is not None else {}
    if len(groups) > 1:
        note(f"{len(members)} trainings in {len(groups)} programs")
    with stop_signal() as stopped:
        for one in groups:
            chosen = [members[number] for number in one.members]
            trainer = GroupTrainer(
                one,
                chosen,
                options,
                description,
                until=until,
                note=note,
                outputs=outputs,
                under_way=under_way,
            )
            for number, result in trainer.train(sizes, stopped.is_set):
                yield MemberResult(one.members[number], result)
        if stopped.is_set():
            raise KeyboardInterrupt


class Run(NamedTuple):
    """A run directory read back."""

    experiment: Experiment
    options: Options
    group: Group
    trained: Trained
    stage: int

    def require_last_stage(self, run: Path) -> None:
        """Raise UserError where the checkpoint is of an earlier stage."""
        stages = self.group.stages()
        if self.stage + 1 < len(stages):
            raise UserError(
                f"{run} has come to stage '{stages[self.stage].name}', not to the last, "
                f"'{stages[-1].name}': train it further"
            )


def read_run(run: Path, warn: Warn, which: Literal["last", "best"] = "last") -> Run:
    """The experiment of a run directory and the last, or best, whole checkpoint in it.

    Raises UserError where `run` is no run directory, its experiment is unknown or it has no whole
    checkpoint. Damaged checkpoints are named to `warn`.
    """
    name, config, options = read_settings(run)
    configure_jax(options)
    configs.check(config)
    experiment = experiments.load(name)
    (alone,) = group(experiment, [config], ())
    stages = alone.stages()
    find = checkpoint.latest if which == "last" else checkpoint.best
    saved = find(run / run_directory.CHECKPOINTS, warn)
    if saved is None:
        status = run_directory.read_result(run).get("status")
        hint = "it kept none, or lost it" if status in run_directory.FINAL else "train it first"
        raise UserError(f"{run} has no whole checkpoint: {hint}")
    position = checkpoint.restore(saved, first_position(stages, saved.stage, _rows(options)))
    if (options.devices or 1) > jax.device_count():  # One will do, to rounding.
        options = dataclasses.replace(options, devices=1, parallel="jit")
    options = settle(options, stages)
    learner = stages[saved.stage].learner
    trained = Trained(config, alone.data, learner, position.state, position.step)
    return Run(experiment, options, alone, trained, saved.stage)


def read(run: Path, warn: Warn) -> tuple[Experiment, Trained]:
    """The experiment of a run directory and what it has trained, from the last whole checkpoint.

    Raises UserError as `read_run` does, and where the last stage has not been reached.
    """
    opened = read_run(run, warn)
    opened.require_last_stage(run)
    return opened.experiment, opened.trained


def read_settings(run: Path) -> tuple[str, Any, Options]:
    """Experiment, Config and Options of a run directory.

    Where no folder of datasets is named, the run's is used from then on.
    """
    description = run_directory.read_config(run)
    folder = description.get("data_dir")
    if folder and not os.environ.get("DLFUN_DATA") and Path(folder).is_dir():
        os.environ["DLFUN_DATA"] = folder
    name = description["experiment"]
    experiment = experiments.load(name)
    try:
        config = configs.from_dict(experiment.Config, description["config"])
        return name, config, configs.from_dict(Options, description["options"])
    except UserError as error:
        raise UserError(f"{run / run_directory.CONFIG}: {error}") from None


def evaluate(
    run: Path, warn: Warn, which: Literal["last", "best"] = "last"
) -> dict[str, dict[str, Any]]:
    """Metrics of every held-out split, and measures, computed anew from the checkpoint."""
    return evaluate_run(read_run(run, warn, which))


def evaluate_run(opened: Run) -> dict[str, dict[str, Any]]:
    """The metrics of `evaluate` for a run that was read."""
    stages, options, trained = opened.group.stages(), opened.options, opened.trained
    work = works(stages, (trained.config.seed,))[opened.stage]
    programs = compile_learner(
        lambda _: trained.learner,
        devices=options.devices or 1,
        parallel=options.parallel or "jit",
        feed=options.feed or "memory",
    )
    metrics = loop.evaluate(work, trained.state, programs)
    if opened.stage + 1 == len(stages):
        metrics = merge(metrics, measures_of(opened.experiment, trained))
    return metrics
