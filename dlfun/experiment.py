"""Experiments: what a file under `experiments/` gives, and how it is found by name."""

import ast
import importlib
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from dlfun.errors import UserError, nearest

ROOT = Path(__file__).parent.parent / "experiments"


class Experiment(NamedTuple):
    """What `build(config)` returns: a learner, the data it learns from, and how long."""

    learner: Any
    dataset: Any
    epochs: int
    batch_size: int
    seed: int | tuple[int, ...] = 0
    """Random seed; of a population, one for each member."""
    model: Any = None
    """The Flax module, where there is one: for `summary` and `predict`."""
    inputs: Callable | None = None
    """From stored images to what the model reads."""
    cpu_devices: int = 1
    """On a CPU, over how many virtual devices to split each batch: more than one pays where a step
    is made of many products too small for a matrix library to spread over cores."""


class Claim(NamedTuple):
    """What an experiment shows: a metric of `result.json`, averaged over seeds, within bounds."""

    metric: str
    """`split/name`, such as `test/accuracy`."""
    source: str
    printed: float | None = None
    """The figure that the source reports."""
    at_least: float | None = None
    at_most: float | None = None

    def holds(self, value: float) -> bool:
        """Whether the value is within the bounds (nan never is)."""
        above = self.at_least is None or value >= self.at_least
        return above and (self.at_most is None or value <= self.at_most) and value == value


class Quick(NamedTuple):
    """A module's QUICK: a smaller setting for `reproduce --quick`, and what then holds."""

    values: Mapping[str, Any]
    """Fields of the Config that differ, by path: {"epochs": 1, "optimizer.learning_rate": 0.1}."""
    claims: Sequence[Claim]


def paths() -> dict[str, Path]:
    """Each experiment's file by its name, in order of folder and name."""
    files = [path for path in ROOT.glob("*/*.py") if path.stem != "__init__"]
    names = {path.stem: path for path in files}
    names |= {path.parent.name: path for path in ROOT.glob("*/*/__init__.py")}
    return dict(sorted(names.items(), key=lambda item: (family(item[1]), item[0])))


def family(path: Path) -> str:
    """The folder of `experiments/` that an experiment's file lies below."""
    return path.relative_to(ROOT).parts[0]


def load(name: str) -> ModuleType:
    """The module of the experiment `name`. Raises UserError where there is none."""
    known = paths()
    if name not in known:
        raise UserError(f"no experiment '{name}'{nearest(name, known)}; `list` names them all")
    return importlib.import_module(f"experiments.{family(known[name])}.{name}")


def describe(name: str) -> dict[str, str]:
    """Name, what it shows, figure and time, from the docstring without importing the module."""
    docstring = ast.get_docstring(ast.parse(paths()[name].read_text())) or ""
    found = dict(re.findall(r"^(Figure|Time): (.*?)\.?$", docstring, re.MULTILINE))
    return {
        "name": name,
        "shows": docstring.partition("\n")[0].rstrip("."),
        "figure": found.get("Figure", ""),
        "time": found.get("Time", ""),
    }
