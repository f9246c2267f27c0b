"""Reproduction: claims checked over seeds, and a run directory run again."""

import dataclasses
import datetime
import importlib.metadata
import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from dlfun import config as configs
from dlfun import experiment as experiments
from dlfun.errors import UserError, nearest
from dlfun.train import run_directory as runs
from dlfun.train.driver import read_settings, train
from dlfun.train.options import Options, configure_jax

COLUMNS = ("claim", "source", "printed", "ours", "verdict", "seconds")


def expand(names: Sequence[str]) -> list[str]:
    """Experiment names, folders replaced by the experiments in them. Raises UserError on others."""
    known = experiments.paths()
    folders = sorted({experiments.family(path) for path in known.values()})
    found: list[str] = []
    for name in names:
        if name not in known and name not in folders:
            guess = nearest(name, [*known, *folders])
            raise UserError(f"'{name}' is no experiment, folder of experiments or run{guess}")
        found += [
            n for n, p in known.items() if name in (n, experiments.family(p)) and n not in found
        ]
    return found


def reproduce(
    names: Sequence[str],
    seeds: int,
    folder: Path,
    data_dir: Path | None = None,
    quick: bool = False,
) -> list[dict[str, Any]]:
    """Train each experiment with seeds 0 … seeds-1 and check its claims.

    With `quick`, an experiment that has a QUICK is trained in that setting, for that one's claims.

    Returns a row a claim: claim, source, printed, mean and sd (n - 1) over seeds, values, holds,
    seconds (mean of a training). Raises UserError where a training does not complete.
    """
    options = Options()
    configure_jax(options, data_dir)
    rows = []
    for name in names:
        experiment = experiments.load(name)
        smaller = experiment.quick if quick else None
        start = configs.replace(experiment.default, smaller.values if smaller else {})
        results = []
        for seed in range(seeds):
            config = dataclasses.replace(start, seed=seed)
            run = folder / name / f"{'quick-' if smaller else ''}seed{seed}"
            command = f"reproduce {name} --seeds {seeds}{' --quick' if quick else ''}"
            result = train(name, config, options, run, command)
            if result["status"] == "interrupted":
                raise KeyboardInterrupt
            results.append(result)
        rows += [
            _row(name, claim, results)
            for claim in (smaller.claims if smaller else experiment.claims)
        ]
    return rows


def _row(name: str, claim: experiments.Claim, results: list[dict[str, Any]]) -> dict[str, Any]:
    split, metric = claim.metric.split("/")
    values = [r["metrics"].get(split, {}).get(metric, float("nan")) for r in results]
    mean = float(np.mean(values))
    return {
        "experiment": name,
        "metric": claim.metric,
        "source": claim.source,
        "printed": claim.printed,
        "at_least": claim.at_least,
        "at_most": claim.at_most,
        "mean": mean,
        "sd": float(np.std(values, ddof=1)) if len(values) > 1 else None,
        "values": values,
        "holds": bool(claim.holds(mean)),
        "status": sorted({r["status"] for r in results}),
        "seconds": float(np.mean([r["seconds"] for r in results])),
    }


def cells(row: dict[str, Any]) -> list[str]:
    """A row as text, in the order of `COLUMNS`."""

    def figure(value: float) -> str:
        return f"{value:.2%}".replace("%", " %") if "accuracy" in row["metric"] else f"{value:.4g}"

    bounds = [
        f"{sign} {figure(row[key])}"
        for sign, key in (("≥", "at_least"), ("≤", "at_most"))
        if row[key] is not None
    ]
    spread = f" ± {figure(row['sd'])}" if row["sd"] is not None else ""
    return [
        f"{row['experiment']}: {row['metric']} {', '.join(bounds)}",
        row["source"],
        "" if row["printed"] is None else figure(row["printed"]),
        f"{figure(row['mean'])}{spread}".replace(" % ±", " ±"),
        "holds" if row["holds"] else "FAILS",
        f"{row['seconds']:.1f}",
    ]


def table(rows: Sequence[dict[str, Any]]) -> Table:
    """The rows for a terminal."""
    shown = Table(*COLUMNS, box=None, pad_edge=False)
    for row in rows:
        shown.add_row(*cells(row))
    return shown


def described(rows: Sequence[dict[str, Any]], seeds: int) -> dict[str, Any]:
    """The rows with date, versions and device."""
    import jax

    names = ("jax", "flax", "optax", "dlfun")
    device = jax.devices()[0]
    found = {d.metadata["name"].lower() for d in importlib.metadata.distributions()}
    return {
        "date": datetime.date.today().isoformat(),
        "versions": {n: importlib.metadata.version(n) for n in names if n in found},
        "device": device.device_kind if device.platform != "cpu" else runs.processor(),
        "seeds": seeds,
        "claims": list(rows),
    }


def markdown(rows: Sequence[dict[str, Any]], seeds: int) -> str:
    """The rows as a Markdown table, with date, versions and device under it."""
    about = described(rows, seeds)
    lines = [COLUMNS, ["---"] * len(COLUMNS), *(cells(row) for row in rows)]
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    over = f"Mean ± standard deviation over {seeds} seeds" if seeds > 1 else "One seed"
    return "\n".join(
        ["| " + " | ".join(line) + " |" for line in lines]
        + ["", f"{over}; seconds of one training. "]
        + [f"{about['date']}, {versions}, {about['device']}."]
    )


def reproduce_run(run: Path, warn: Callable[[str], None], as_json: bool = False) -> int:
    """Run the configuration of a run directory again; 0 where the metrics are equal to the bit."""
    name, config, options = read_settings(run)
    recorded = runs.read_result(run)
    if recorded.get("status") != "completed":
        status = recorded.get("status", "not begun")
        raise UserError(f"{run} is {status}: only a completed run can be reproduced")
    before, now = runs.read_config(run), None
    configure_jax(options)
    again = Path(tempfile.mkdtemp(prefix="dlfun-"))
    try:
        result = train(name, config, options, again, f"reproduce {run}")
        now = runs.read_config(again)
    finally:
        shutil.rmtree(again, ignore_errors=True)
    # Through JSON on both sides, where nan is equal to nan.
    same = json.dumps(result["metrics"]) == json.dumps(recorded["metrics"])
    for part in ("versions", "device", "flags", "commit"):
        if before.get(part) != now[part]:
            warn(f"{part} was {before.get(part)}, is {now[part]}")
    if as_json:
        print(json.dumps({"same": same, "before": recorded["metrics"], "now": result["metrics"]}))
    else:
        for split, metrics in result["metrics"].items():
            was = recorded["metrics"].get(split, {})
            for key, value in metrics.items():
                if isinstance(value, float):
                    mark = "=" if value == was.get(key) else "≠"
                    print(f"{split}/{key}: {value!r} {mark} {was.get(key)!r}")
        print("the same to the bit" if same else "NOT the same")
    return 0 if same else 1
