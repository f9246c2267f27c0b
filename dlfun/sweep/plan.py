"""The plan of a sweep: all that is needed to resume it, as sweep.json keeps it."""

import dataclasses
import functools
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from annotated_types import Ge

from dlfun import config as configs
from dlfun import experiment as experiments
from dlfun.errors import UserError
from dlfun.experiment import Experiment
from dlfun.sweep.space import Space, grid, numeric, parse, suggest
from dlfun.train import run_directory as runs

PLAN, TRIALS = "sweep.json", "trials"
Strategy = Literal["grid", "random", "quasi-random", "tpe"]
Executor = Literal["here", "processes", "ray"]


@dataclass(frozen=True)
class Search:
    """The search space and the strategy."""

    over: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Fields and their values, PATH=SPEC with SPEC one of a,b,c  log(lo,hi[,n])  range(lo,hi[,n])
    int(lo,hi[,step]); PATH=SPEC if OTHER=VALUE sweeps only where the other field has the value;
    PATH,OTHER=(a,b),(c,d) sets both together."""
    seeds: Annotated[int, Ge(1)] = 1
    """Random seeds of each trial: seed, seed + 1, …; figures are averages over them."""
    strategy: Strategy = "grid"
    """grid: every combination; random; quasi-random: a Sobol sequence; tpe: tree-structured Parzen
    estimator (Bergstra et al. 2011)."""
    trials: Annotated[int, Ge(1)] | None = None
    """Number of trials, for the strategies other than grid."""
    batch: Annotated[int, Ge(1)] | None = None
    """Trials proposed, trained and told together. Default: all; 8 for tpe and with pruning."""
    prune: Literal["none", "median", "halving"] = "none"
    """Stop trials after 1, 2, 4, … epochs: those below the median of the trials before, or all but
    the best half of those that came so far (asynchronous successive halving)."""
    metric: str | None = None
    """split/name to rank by. Default: the experiment's objective, on validation where there is,
    else on test (which makes the best look better than it is)."""
    goal: Literal["maximize", "minimize"] | None = None
    """Default: that of the experiment's objective or of its claim on the metric."""
    search_seed: Annotated[int, Ge(0)] = 0
    """Seed of the proposals."""
    storage: str | None = None
    """URL of an Optuna storage that machines share. Default: trials.jsonl in the sweep's folder."""
    study: str | None = None
    """Name of the study in a shared storage. Default: the experiment's."""
    checkpoints: Literal["all", "best", "none"] = "all"
    """Checkpoints that a completed member keeps; all: the last and the best."""
    events: bool = False
    """Write TensorBoard's events of each member."""


@dataclass(frozen=True)
class Plan:
    """A sweep as it is written down."""

    experiment: str
    config: dict[str, Any]
    search: Search
    precision: str
    command: str

    @functools.cached_property
    def of(self) -> Experiment:
        """The experiment whose trials these are."""
        return experiments.load(self.experiment)

    @functools.cached_property
    def base(self) -> Any:
        """The Config from which the trials differ."""
        return configs.from_dict(self.of.Config, self.config)

    @property
    def seeds(self) -> range:
        """The seeds of each trial. Raises UserError where the last is not below 2**32."""
        first, count = self.base.seed, self.search.seeds
        if first + count > 2**32:
            raise UserError(f"--seed {first} --seeds {count}: the last must be below 2**32")
        return range(first, first + count)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The values that are swept: inputs of the compiled programs."""
        return tuple(dimension.path for dimension in self.space.fields)

    @functools.cached_property
    def space(self) -> Space:
        """The search space. Raises UserError where the strategy cannot search it."""
        if not self.search.over and (self.search.seeds == 1 or self.search.strategy != "grid"):
            raise UserError("a sweep needs --over PATH=VALUES, or --seeds N of one setting")
        space, strategy = parse(self.search.over, self.base), self.search.strategy
        if strategy == "quasi-random" and not numeric(space):
            names = [d.path for d in space.fields if d.kind == "list" or d.condition]
            raise UserError(
                f"--strategy quasi-random draws from ranges only, {names[0]} is a list or has a "
                "condition: give log(lo,hi), range(lo,hi) or int(lo,hi), or choose random or tpe"
            )
        return space

    @functools.cached_property
    def count(self) -> int:
        """Trials in all."""
        if self.search.strategy == "grid":
            if self.search.trials:
                raise UserError("--trials: a grid has as many trials as combinations")
            return len(self.points or ())
        if self.search.trials is None:
            raise UserError(f"--strategy {self.search.strategy} needs --trials N")
        return self.search.trials

    @functools.cached_property
    def points(self) -> list[dict[str, Any]] | None:
        """Every trial's point in order; None where a proposal depends on earlier results."""
        search, space = self.search, self.space
        match search.strategy:
            case "grid":
                return grid(space)
            case "tpe":
                return None
        import optuna

        silence_optuna(optuna)
        kind: Any = optuna.samplers.RandomSampler
        if search.strategy == "quasi-random":
            kind = optuna.samplers.QMCSampler
        study = optuna.create_study(sampler=kind(seed=search.search_seed))
        return [suggest(space, study.ask()) for _ in range(self.count)]

    @property
    def batch(self) -> int:
        """Trials that are trained together."""
        few = self.search.strategy == "tpe" or self.search.prune != "none"
        return self.search.batch or (8 if few else self.count)


def write(plan: Plan, folder: Path) -> list[Path]:
    """Write sweep.json; return the new folders, innermost first.

    Raises UserError where `folder` holds something else.
    """
    if (folder / PLAN).exists():
        raise UserError(f"{folder} is there already: go on with it by --resume, or name another")
    made = runs.make_directory(folder, PLAN)
    runs.write_json(folder / PLAN, configs.to_dict(plan))
    return made


def read(folder: Path, storage: str | None = None) -> Plan:
    """The plan of a sweep's folder.

    Raises UserError where `folder` is none, or names another storage than `storage`: a folder that
    someone else made may name any.
    """
    if not (folder / PLAN).is_file():
        what = f"it has no {PLAN}" if folder.is_dir() else "no such directory"
        raise UserError(f"{folder} is not a sweep: {what}")
    written = runs.read_json(folder / PLAN, dict[str, Any])
    names = {field.name for field in dataclasses.fields(Plan)}
    if not isinstance(written, dict) or written.keys() != names:
        raise UserError(f"{folder / PLAN} does not describe a sweep: expected {', '.join(names)}")
    plan = configs.from_dict(Plan, written)
    named = plan.search.storage
    if named != storage:
        wanted = f"{folder} keeps its trials in {named or 'itself'}"
        hint = f": give --storage {named} to connect to it" if named else ": leave out --storage"
        raise UserError(wanted + hint)
    return plan


def silence_optuna(optuna: Any) -> None:
    """Keep Optuna's own log and its notes on what is experimental off the terminal."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", module=r"optuna\..*")
    # It is: by a thread of the sweep's own.
    warnings.filterwarnings("ignore", message="Heartbeat of storage is supposed to be used")
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
