"""dlfun: the fundamentals of deep learning as pure functions, in JAX and Flax.

`load` reads a run directory and `load_sweep` a sweep. JAX is imported when they are called.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from dlfun.train.trained_run import TrainedRun

__all__ = ["load", "load_sweep"]
__version__ = "0.1.0"


def load(run: str | os.PathLike[str], checkpoint: Literal["last", "best"] = "last") -> "TrainedRun":
    """A trained run, from its run directory: parameters, metrics, predictions.

    Raises `dlfun.errors.UserError` where `run` is no run directory or has no whole checkpoint.
    """
    from dlfun.train import trained_run

    return trained_run.load(Path(run), checkpoint)


def load_sweep(folder: str | os.PathLike[str], storage: str | None = None) -> list[dict[str, Any]]:
    """The trainings of a sweep, a dict each, as `pandas.DataFrame` takes them.

    Columns: trial, seed, status, a column for each swept field ("optimizer.learning_rate") and for
    each metric ("test/accuracy"), seconds, and run, the run directory. A trial that has not begun
    is one row without a seed. `storage` is the URL that the sweep was given, if any. Raises
    `dlfun.errors.UserError` where `folder` is no sweep.
    """
    from dlfun.sweep import records

    return records.read(Path(folder), storage)
