"""Experiments: the protocol that a module under `experiments/` follows, and how one is found.

An experiment is a module, or a package where it needs code of its own, with these names:

- `Config`, a frozen dataclass: its fields are the flags of the command line, their defaults the
  source's values. Its float fields that are not `Static` are values: they may be tracers in
  `learner` and change nothing in `data`. All else is structure;
- `CLAIMS`, a sequence of `Claim`;
- `data(config)`, the `Dataset`, or a pytree of them where stages use several: runs on the host,
  reads files, draws examples, is never traced. All that depends on the seed but the state and the
  order is made here;
- `learner(config, dataset)`, a `Learner`: pure. `config.epochs` and `config.batch_size` say how it
  is trained. Or, where a training has several parts or other lengths, in its place
  `stages(config, dataset)`, a sequence of `Stage`;
- where wanted: `FORMULA`, its equations in LaTeX with an empty line between them, which `book` sets
  and may break at a quad; `DEFAULT`, the Config to start from in place of `Config()`; `QUICK`;
  `OBJECTIVE`; `measure(trained, key)`, metrics that are no means over examples, computed once at
  the end of a training, as {"split/name": value}, with texts that say how a value is computed for
  result.json alone; `sample(trained, key, count)`, texts, images or
  `Animation`s for the command `sample`, which passes `prime=`, `temperature=` and `label=` (a
  class's name), too, where one is asked for and `sample` takes it; `inputs(trained, items)` and
  `outputs(trained, names, predictions)`, for the command `predict`;
  `vectors(trained)`, word vectors by name, which `export` writes as word2vec does;
  `figures(trained, rows)`, drawn by `plot`, as pairs of name and figure from the trained stage and
  the rows of metrics.jsonl.
"""

import ast
import functools
import importlib
import importlib.util
import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from dlfun.errors import UserError, nearest

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image

    from dlfun.data.dataset import Dataset
    from dlfun.data.word_vectors import WordVectors
    from dlfun.learner import Key, Learner, State

_log = logging.getLogger(__name__)
_INSTALLED = Path(__file__).parent / "experiments"
ROOT = _INSTALLED if _INSTALLED.is_dir() else Path(__file__).parent.parent / "experiments"
"""In a checkout `experiments/` lies beside `dlfun/`; a wheel has it inside."""
VARIABLE = "DLFUN_EXPERIMENTS"
"""The environment variable that names further folders of experiments."""
GROUP = "dlfun.experiments"
"""The entry points of installed packages that name packages of experiments."""
PACKAGE = "dlfun.experiments" if _INSTALLED.is_dir() else "experiments"


class Claim(NamedTuple):
    """A statement to check: a metric of `result.json`, averaged over seeds, lies within bounds."""

    metric: str
    """`split/name`, such as `test/accuracy`."""
    source: str
    printed: float | None = None
    """The figure that the source reports."""
    at_least: float | None = None
    at_most: float | None = None

    def holds(self, value: float) -> bool:
        """True if the value is within the bounds (nan never is)."""
        above = self.at_least is None or value >= self.at_least
        return above and (self.at_most is None or value <= self.at_most) and value == value


class Quick(NamedTuple):
    """A smaller setting for `reproduce --quick`, and what then holds."""

    values: Mapping[str, Any]
    """Fields of the Config that differ, by path: {"epochs": 1, "optimizer.learning_rate": 0.1}."""
    claims: Sequence[Claim]


class Objective(NamedTuple):
    """The metric by which checkpoints and trials are compared, and the better direction of it."""

    metric: str = "loss"
    """Name without a split: the validation split's where there is one. Without one, checkpoints
    are compared by the training split's, trials of a sweep by the test split's."""
    goal: Literal["min", "max"] = "min"


def _fresh(previous: "State", fresh: "State") -> "State":
    return fresh


class Stage(NamedTuple):
    """A part of a training: a learner on a dataset for some epochs."""

    learner: "Learner"
    dataset: "Dataset"
    epochs: int
    batch_size: int
    name: str = "training"
    begin: Callable[["State", "State"], "State"] = _fresh
    """(last state of the stage before, state fresh from `init`) → first state; pure."""


class Trained(NamedTuple):
    """A training at its end: what `measure`, `sample` and `figures` are given."""

    config: Any
    dataset: Any
    """The result of `data(config)`."""
    learner: "Learner"
    """The learner of the last stage; the state and the step are at its end."""
    state: "State"
    step: int


class Inputs(NamedTuple):
    """The result of `inputs`: examples made from the items given to `predict`."""

    names: Sequence[str]
    """A name for each example, as it is printed: a sentence, the path of a recording."""
    columns: Mapping[str, Any]
    """Columns of a batch, NumPy arrays with a row for each name; `learner.predict` reads them."""


class Animation(NamedTuple):
    """A sample that moves: the command `sample` writes it as a GIF."""

    frames: Sequence["Image"]
    milliseconds: int
    """Time for which each is shown; GIF knows multiples of 10."""


class Experiment(NamedTuple):
    """An experiment's module, with the defaults of what it leaves out."""

    name: str
    description: str
    """The module's docstring."""
    formula: str
    """Equations in LaTeX, with an empty line between them."""
    Config: type
    default: Any
    """The Config to start from."""
    claims: Sequence[Claim]
    data: Callable[[Any], Any]
    stages: Callable[[Any, Any], Sequence[Stage]]
    quick: Quick | None
    objective: Objective
    measure: Callable[[Trained, "Key"], Mapping[str, float | str]] | None
    sample: Callable[..., Iterable[Any]] | None
    figures: Callable[[Trained, list[dict[str, Any]]], Iterator[tuple[str, "Figure"]]] | None
    inputs: Callable[[Trained, Sequence[str]], Inputs] | None
    """Examples from items of the command line, such as sentences or paths of files. Raises
    UserError on an item that is none."""
    outputs: Callable[[Trained, Sequence[str], Any], Iterable[Mapping[str, Any]]] | None
    """The values to print for each example, by name, from names and predictions. Without it,
    predictions are logits of the dataset's classes."""
    vectors: "Callable[[Trained], Mapping[str, WordVectors]] | None"


def format_metric(name: str, value: float, sd: float | None = None) -> str:
    """A metric's value for people, ± its standard deviation where there is one.

    Accuracies are in percent, other values have four digits and their deviations two.
    """
    percent = "accuracy" in name
    text = f"{100 * value:.2f}" if percent else f"{value:.4g}"
    if sd is not None and sd == sd:
        text += f" ± {100 * sd:.2f}" if percent else f" ± {sd:.2g}"
    return f"{text} %" if percent else text


def from_module(name: str, module: ModuleType) -> Experiment:
    """The experiment that a module describes. Raises UserError where it lacks what each needs."""
    given = vars(module)
    lacking = [needed for needed in ("Config", "CLAIMS", "data") if needed not in given]
    if "stages" not in given and "learner" not in given:
        lacking.append("learner or stages")
    if lacking:
        raise UserError(f"experiment '{name}' lacks {', '.join(lacking)}: see dlfun/experiment.py")
    fields = getattr(given["Config"], "__dataclass_fields__", None)
    needs = ["seed"] if "stages" in given else ["seed", "epochs", "batch_size"]
    if fields is None or not given["Config"].__dataclass_params__.frozen:
        raise UserError(f"experiment '{name}': Config must be a frozen dataclass")
    if lacking := [f"the field '{field}'" for field in needs if field not in fields]:
        raise UserError(f"experiment '{name}': Config lacks {', '.join(lacking)}")

    def stages(config: Any, dataset: Any) -> Sequence[Stage]:
        learner = given["learner"](config, dataset)
        return [Stage(learner, dataset, config.epochs, config.batch_size)]

    return Experiment(
        name=name,
        description=module.__doc__ or "",
        formula=given.get("FORMULA", ""),
        Config=given["Config"],
        default=given["DEFAULT"] if "DEFAULT" in given else given["Config"](),
        claims=given["CLAIMS"],
        data=given["data"],
        stages=given.get("stages", stages),
        quick=given.get("QUICK"),
        objective=given.get("OBJECTIVE", Objective()),
        measure=given.get("measure"),
        sample=given.get("sample"),
        figures=given.get("figures"),
        inputs=given.get("inputs"),
        outputs=given.get("outputs"),
        vectors=given.get("vectors"),
    )


def roots() -> list[Path]:
    """The folders of experiments: dlfun's own, those of installed packages, and the user's."""
    return list(dict.fromkeys([ROOT, *_installed(), *_named()]))


def _named() -> list[Path]:
    """The folders that DLFUN_EXPERIMENTS names."""
    named = os.environ.get(VARIABLE, "").split(os.pathsep)
    return [Path(folder).absolute() for folder in named if folder]


@functools.cache
def _installed() -> list[Path]:
    """The folders that entry points of installed packages name; no package is imported for it."""
    import importlib.metadata  # Only here: `--version` and `--help` do without.

    folders: list[Path] = []
    try:
        points = list(importlib.metadata.entry_points(group=GROUP))
    except Exception as error:  # Of the metadata of any package.
        _log.warning("no experiments of other packages: their metadata is damaged: %s", error)
        return folders
    for point in points:
        top, *inner = point.value.split(".")
        try:
            spec = importlib.util.find_spec(top)
        except (ImportError, ValueError):
            spec = None
        candidates = [
            Path(path, *inner) for path in (spec and spec.submodule_search_locations) or ()
        ]
        if not (present := [path for path in candidates if path.is_dir()]):
            _log.warning("entry point '%s' of %s: no package '%s'", point.name, GROUP, point.value)
        folders += present
    return folders


def use_folder(folder: Path) -> None:
    """Find experiments in a folder too, in this process and in those that it starts."""
    named = map(str, [*_named(), folder.absolute()])
    os.environ[VARIABLE] = os.pathsep.join(dict.fromkeys(named))


def folder_flags() -> list[str]:
    """The flags by which a command of another process finds the user's experiments."""
    return [word for folder in _named() for word in ("--experiments", str(folder))]


def paths() -> dict[str, Path]:
    """The file of each experiment by name, in order of folder and name; `_NAME.py` is none.

    Raises UserError where two have one name.
    """
    names: dict[str, Path] = {}
    for root in roots():
        # A folder of the user's may hold experiments without a family.
        files = [*root.glob("*/*.py"), *(root.glob("*.py") if root != ROOT else ())]
        # Editors and systems keep hidden files beside those of the same name.
        named = [(path.stem, path) for path in files if path.stem[0] not in "._"]
        named += [(path.parent.name, path) for path in root.glob("*/*/__init__.py")]
        for name, path in sorted(named, key=lambda item: (family(item[1]), item[0])):
            if other := names.get(name):
                raise UserError(
                    f"two experiments are named '{name}': {other} and {path}: rename one"
                )
            names[name] = path
    return names


def _module(path: Path) -> tuple[Path, tuple[str, ...]]:
    """The root of an experiment's file, and the parts of its module's name below that."""
    root = next(root for root in roots() if path.is_relative_to(root))
    parts = path.relative_to(root).with_suffix("").parts
    return root, parts[:-1] if parts[-1] == "__init__" else parts


def family(path: Path) -> str:
    """The folder of `experiments/` that an experiment's file lies below."""
    root, parts = _module(path)
    return parts[0] if len(parts) > 1 else root.name


def load(name: str) -> Experiment:
    """The experiment `name`. Raises UserError where there is none."""
    available = paths()
    if name not in available:
        raise UserError(
            f"no experiment '{name}'{nearest(name, available)}; `list` names them all, and "
            "--experiments DIR adds your own"
        )
    root, parts = _module(available[name])
    if root != ROOT:
        use_folder(root)  # A process that this one starts imports it before it looks for it.
    for depth in range(len(parts) if root != ROOT else 0):
        # A package of the same name may be dlfun's own.
        package = importlib.import_module(".".join([PACKAGE, *parts[:depth]]))
        folder = str(root.joinpath(*parts[:depth]))
        if folder not in package.__path__:
            package.__path__.append(folder)
    try:
        return from_module(name, importlib.import_module(".".join([PACKAGE, *parts])))
    except SyntaxError as error:
        reason = _reason(Path(error.filename or available[name]), error)
        raise UserError(f"experiment '{name}' cannot be read: {reason}") from None


def _reason(path: Path, error: Exception) -> str:
    """The reason why a file cannot be read, with its path and, for a syntax error, the line."""
    if isinstance(error, SyntaxError):
        return f"{path}, line {error.lineno}: {error.msg}"
    return f"{path}: {getattr(error, 'strerror', None) or error}"


def missing_lines(described: Mapping[str, str]) -> list[str]:
    """The parts that an experiment's docstring lacks, from the result of `describe`."""
    asked = {
        "shows": "a first line that says what it shows",
        "figure": "a line 'Figure: …' with the figure that it reaches",
        "time": "a line 'Time: …' with how long it takes",
    }
    return [
        f"its docstring lacks {words}" for field, words in asked.items() if not described[field]
    ]


def describe(name: str, path: Path) -> dict[str, str]:
    """Name, what it shows, figure and time, from the docstring without importing the module.

    `path` is the experiment's, as `paths` gives it. Of a file that is no Python, or cannot be read,
    it says so; of the files in `ROOT` only the docstring is parsed, in a quarter of the time.
    """
    try:
        source = path.read_text(encoding="utf-8")
        first = re.match(r'"""(?:[^\\]|\\.)*?"""', source, re.DOTALL)
        if first and path.is_relative_to(ROOT):
            source = first.group()
        docstring = ast.get_docstring(ast.parse(source)) or ""
    except (OSError, ValueError, SyntaxError) as error:
        docstring = f"cannot be read: {_reason(path, error)}\n\nFigure: none\nTime: none"
    lines = dict(re.findall(r"^(Figure|Time): (.*?)\.?$", docstring, re.MULTILINE))
    return {
        "name": name,
        "family": family(path),
        "shows": docstring.partition("\n")[0].rstrip("."),
        "figure": lines.get("Figure", ""),
        "time": lines.get("Time", ""),
    }
