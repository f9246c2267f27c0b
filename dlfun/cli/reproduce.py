"""The command `reproduce`: claims checked over seeds, and a run directory run again."""

import dataclasses
import shutil
import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro
from annotated_types import Ge

from dlfun import config as configs
from dlfun import experiment as experiments
from dlfun.cli import results
from dlfun.cli.console import several, show, warn
from dlfun.errors import UserError, nearest
from dlfun.train import run_directory


@dataclass(frozen=True)
class Reproduce:
    """Check claims over several seeds, or run one run directory again to the same bits."""

    what: Annotated[tuple[str, ...], tyro.conf.Positional, several("NAME … | RUN_DIR")]
    """Experiments, folders of experiments, or one run directory."""
    all: bool = False
    """Check the claims of all experiments."""
    seeds: Annotated[int, Ge(1)] | None = None
    """Number of random seeds: 0, 1, … Default: 5, with --quick 1."""
    quick: bool = False
    """Check the claims of the quick setting of each experiment that has one: fewer examples or
    epochs, in minutes for a folder of experiments."""
    run_dir: Path = Path("runs/reproduce")
    """Folder of the runs of claims; finished ones are not trained again."""
    json: bool = False
    """Print JSON instead of a table."""
    write: bool = False
    """Write the rows into experiments/README.md, the table of results, in the place of older ones
    of the same claims."""

    def __call__(self) -> int:
        configs.check(self)
        if self.all == bool(self.what):
            raise UserError("reproduce needs experiments, folders of them or a run, or else --all")
        if (len(self.what) == 1 and "/" in self.what[0]) or (
            self.what and Path(self.what[0]).is_dir()
        ):
            return reproduce_run(Path(self.what[0]), warn, self.json)
        if self.write and self.quick:
            raise UserError("--write keeps figures of the whole setting: leave out --quick")
        seeds = self.seeds or (1 if self.quick else 5)
        names = list(experiments.paths()) if self.all else expand(self.what)
        rows = reproduce(names, seeds, self.run_dir, self.quick)
        if self.json:
            described = results.described(rows, seeds)
            print(run_directory.to_json(described, indent=2))
        else:
            show(results.table(rows))
        if self.write:
            print(results.write(rows, seeds))
        return 0 if all(row["holds"] for row in rows) else 1


def expand(names: Sequence[str]) -> list[str]:
    """Experiment names, folders replaced by the experiments in them. Raises UserError on others."""
    paths = experiments.paths()
    families = sorted({experiments.family(path) for path in paths.values()})
    expanded: list[str] = []
    for name in names:
        if name not in paths and name not in families:
            guess = nearest(name, [*paths, *families])
            raise UserError(f"'{name}' is no experiment and no folder of experiments{guess}")
        chosen = [n for n, path in paths.items() if name in (n, experiments.family(path))]
        expanded += [n for n in chosen if n not in expanded]
    return expanded


def reproduce(
    names: Sequence[str], seeds: int, folder: Path, quick: bool = False
) -> list[dict[str, Any]]:
    """Train each experiment with seeds 0 … seeds-1 and check its claims.

    With `quick`, an experiment that has a QUICK is trained in that setting, for that one's claims.

    Returns a row a claim: claim, source, printed, mean and sd (n - 1) over seeds, values, holds,
    seconds (mean of a training). Raises UserError where a training does not complete.
    """
    from dlfun.train.driver import train
    from dlfun.train.options import Options, configure_jax

    options = Options()
    configure_jax(options)
    rows = []
    for name in names:
        start, claims, smaller = setting(experiments.load(name), quick)
        trained = []
        for seed in range(seeds):
            config = dataclasses.replace(start, seed=seed)
            run = folder / name / f"{'quick-' if smaller else ''}seed{seed}"
            command = f"reproduce {name} --seeds {seeds}{' --quick' if quick else ''}"
            result = train(name, config, options, run, command)
            if result["status"] == "interrupted":
                raise KeyboardInterrupt
            trained.append(result)
        rows += [row(name, claim, trained) for claim in claims]
    return rows


def setting(
    experiment: experiments.Experiment, quick: bool
) -> tuple[Any, Sequence[experiments.Claim], bool]:
    """The Config that is trained, its claims, and whether they are those of a quick setting."""
    if quick and experiment.quick:
        start = configs.replace(experiment.default, experiment.quick.values)
        return start, experiment.quick.claims, True
    return experiment.default, experiment.claims, False


def row(name: str, claim: experiments.Claim, trained: list[dict[str, Any]]) -> dict[str, Any]:
    """A claim and what results of trainings, one a seed, say of it."""
    split, metric = claim.metric.split("/")
    values = [r["metrics"].get(split, {}).get(metric, float("nan")) for r in trained]
    mean = statistics.fmean(values)
    return {
        "experiment": name,
        "metric": claim.metric,
        "source": claim.source,
        "printed": claim.printed,
        "at_least": claim.at_least,
        "at_most": claim.at_most,
        "mean": mean,
        "sd": statistics.stdev(values) if len(values) > 1 else None,
        "values": values,
        "holds": bool(claim.holds(mean)),
        "status": sorted({r["status"] for r in trained}),
        "seconds": statistics.fmean(r["seconds"] for r in trained),
    }


def reproduce_run(run: Path, warn: Callable[[str], None], as_json: bool = False) -> int:
    """Run the configuration of a run directory again; 0 where the metrics are equal to the bit."""
    from dlfun.train.driver import read_settings, train
    from dlfun.train.options import configure_jax

    name, config, options = read_settings(run)
    recorded = run_directory.read_result(run)
    if recorded.get("status") != "completed":
        status = recorded.get("status", "not begun")
        raise UserError(f"{run} is {status}: only a completed run can be reproduced")
    before = run_directory.read_config(run)
    configure_jax(options)
    again = Path(tempfile.mkdtemp(prefix="dlfun-"))
    try:
        result = train(name, config, options, again, f"reproduce {run}")
        now = run_directory.read_config(again)
    finally:
        shutil.rmtree(again, ignore_errors=True)
    # Through JSON on both sides, where nan is equal to nan.
    same = run_directory.to_json(result["metrics"]) == run_directory.to_json(recorded["metrics"])
    for part in ("versions", "device", "flags", "commit"):
        if before.get(part) != now[part]:
            warn(f"{part} was {before.get(part)}, is {now[part]}")
    if as_json:
        comparison = {"same": same, "before": recorded["metrics"], "now": result["metrics"]}
        print(run_directory.to_json(comparison))
        return 0 if same else 1
    for split, metrics in result["metrics"].items():
        old = recorded["metrics"].get(split, {})
        for key, value in metrics.items():
            if isinstance(value, float):
                sign = "=" if value == old.get(key) else "≠"
                print(f"{split}/{key}: {value!r} {sign} {old.get(key)!r}")
    print("the same to the bit" if same else "NOT the same")
    return 0 if same else 1
