"""Epochs of several programs in one process, by turns: their seconds, and a table of them."""

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from statistics import median
from typing import Any, NamedTuple

import jax

from benchmarks.command import about
from benchmarks.tables import Rows, spread
from dlfun.train.options import Options, configure_jax


class Program(NamedTuple):
    """A program that trains."""

    epoch: Callable[[], Any]
    """Train an epoch."""
    setting: str
    """The number of devices or threads that it uses."""


class Training(NamedTuple):
    """Programs that train the same model on the same examples."""

    name: str
    programs: Mapping[str, Program]
    """By name, dlfun's first."""
    scale: float = 1.0
    """Batches of an epoch over those that each program trains in its epoch."""


def measure(trainings: Callable[[], Iterator[Training]], repeats: int) -> dict[str, Any]:
    """Report of the seconds of an epoch on the CPU, by training and program, in `repeats` turns.

    An epoch of each program before the first turn warms up. `trainings` is called once JAX is
    configured; a training is made after the one before is measured.
    """
    busy = os.getloadavg()[0]
    jax.config.update("jax_platforms", "cpu")
    configure_jax(Options())
    seconds: dict[str, dict[str, list[float]]] = {}
    settings: dict[str, dict[str, str]] = {}
    for name, programs, scale in trainings():
        settings[name] = {program: made.setting for program, made in programs.items()}
        seconds[name] = {program: [] for program in programs}
        for turn in range(repeats + 1):
            for program, made in programs.items():
                began = time.perf_counter()
                made.epoch()
                if turn:
                    seconds[name][program].append((time.perf_counter() - began) * scale)
        print(name, file=sys.stderr)
    return {
        **about(),
        "load_before": busy,
        "repeats": repeats,
        "seconds": seconds,
        "settings": settings,
    }


def table(report: Mapping[str, Any]) -> Iterable[Rows]:
    """Seconds of an epoch of each program, and how many times dlfun's median its median is."""
    by_training = report["seconds"]
    names = list(dict.fromkeys(name for seconds in by_training.values() for name in seconds))[1:]
    rows = []
    for training, seconds in by_training.items():
        row = [training, spread(seconds["dlfun"])]
        for name in names:
            there = seconds.get(name)
            ratio = f"{median(there) / median(seconds['dlfun']):.2f}" if there else ""
            row += [spread(there) if there else "", ratio]
        rows.append(tuple(row))
    columns = (column for name in names for column in (name, f"{name} / dlfun"))
    title = f"One epoch: median seconds (least to most) of {report['repeats']}"
    yield Rows(title, ("training", "dlfun", *columns), rows)


def remark(report: Mapping[str, Any]) -> str:
    """A sentence for each training that says what its programs ran on."""
    return " ".join(
        f"{training}: {'; '.join(f'{name} {setting}' for name, setting in settings.items())}."
        for training, settings in report["settings"].items()
    )
