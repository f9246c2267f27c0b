"""Damage each file of a run and of a sweep in turn, and give the commands that read it.

Each may go on, naming what is damaged, or refuse it in one line; where it says nothing, it must say
and write what it does of the undamaged files.
"""

import contextlib
import io
import json
import random
import shutil
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from safetensors.numpy import load_file

from dlfun.cli.main import main
from dlfun.train import run_directory as runs
from dlfun.train.run_directory import CHECKPOINTS

FLAGS = ("--hidden", "2")
TRAIN = ("train", "xor_mlp", *FLAGS)
SWEEP = ("sweep", "xor_mlp", *FLAGS, "--epochs", "1", "--checkpoints", "best")
WRONG = ("unclear", "traceback", "wrong")
"""Verdicts that must not be."""
TIMES = ("when", "size", "seconds", "examples_per_second", "checksum")


class Reader(NamedTuple):
    """A command that reads a run or a sweep."""

    arguments: tuple[str, ...]
    summarize: Callable[[str], Any]
    """Printed text → its content and the files left in the working directory, without times."""


class Outcome(NamedTuple):
    """The result of a command that has read a damaged file."""

    file: str
    damage: str
    command: str
    verdict: str
    """unaffected, named, refused, traceback, wrong or unclear: refused in more than one line."""
    errors: str


def without_times(value: Any) -> Any:
    """JSON values without the keys that differ from run to run."""
    if isinstance(value, dict):
        return {key: without_times(item) for key, item in value.items() if key not in TIMES}
    return [without_times(item) for item in value] if isinstance(value, list) else value


def printed(out: str) -> Any:
    """The JSON that a command has printed."""
    return without_times(json.loads(out))


def exported(out: str) -> Any:
    """The parameters that were exported."""
    arrays = load_file("run/export/model.safetensors")
    return {name: (str(array.dtype), array.tobytes()) for name, array in arrays.items()}


def drawn(out: str) -> Any:
    """The figures that were drawn."""
    return {path.name: path.read_bytes() for path in Path("run/plots").glob("*")}


def result(out: str) -> Any:
    """The metrics at the end of the run."""
    return without_times(runs.read_result(Path("run")))


def history(out: str) -> Any:
    """The metrics after each epoch."""
    return [result(out), without_times(runs.read_metrics(Path("run")))]


def ranked(out: str) -> Any:
    """The table of the sweep."""
    return without_times(runs.read_json(Path("sweep/table.json"), dict[str, Any]))


READERS = {
    "run": (
        Reader(("evaluate", "run", "--json"), printed),
        Reader(("runs", ".", "--json"), printed),
        Reader(("compare", "run", "other", "--json"), printed),
        Reader(("export", "run"), exported),
        Reader(("plot", "run"), drawn),
        Reader((*TRAIN, "--epochs", "2", "--run-dir", "run"), result),
        Reader((*TRAIN, "--epochs", "3", "--run-dir", "run"), history),
        Reader(("reproduce", "./run", "--json"), printed),
    ),
    "sweep": (
        Reader(("sweep-report", "sweep", "--json"), printed),
        Reader(("runs", ".", "--json"), printed),
        Reader(("sweep", "--resume", "sweep"), ranked),
    ),
}


def prepare() -> None:
    """Make a run, another one, and a sweep whose last trial is not recorded."""
    for name, seed in (("run", "0"), ("other", "1")):
        flags = ["--epochs", "2", "--seed", seed, "--devices", "1", "--run-dir", name]
        assert main([*TRAIN, *flags]) == 0
    over = ["--over", "optimizer.learning_rate=0.05,0.1,0.2", "--run-dir", "sweep"]
    assert main([*SWEEP, *over]) == 0
    record = Path("sweep/trials.jsonl")
    record.write_bytes(b"".join(record.read_bytes().splitlines(keepends=True)[:-1]))


def damaged(
    content: bytes, flips: int, chance: random.Random
) -> Iterator[tuple[str, bytes | None]]:
    """Damaged contents with a name: None for no file, nothing, a part, and single flipped bits."""
    yield "removed", None
    yield "emptied", b""
    length = chance.randrange(1, len(content))
    yield f"cut to {length} bytes", content[:length]
    for bit in sorted(chance.sample(range(8 * len(content)), flips)):
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        yield f"bit {bit} flipped", bytes(changed)


def try_all(
    what: str, chance: random.Random, flips: int = 10, only: Sequence[str] | None = None
) -> Iterator[Outcome]:
    """Damage the files of a folder that `prepare` has made in the working directory, in turn.

    `flips` are the bits that are flipped in a text file, one by one; in others it is one. `only`
    names the files.
    """
    whole = Path(f"{what}.whole")
    shutil.copytree(what, whole)
    expected = {}
    for reader in READERS[what]:
        status, out, errors = run(reader.arguments)
        expected[reader] = status, _summary(reader, out)
        restore(what, whole)
    for path in sorted(whole.rglob("*")):
        name = path.relative_to(whole).as_posix()
        if not path.is_file() or not path.stat().st_size or (only and name not in only):
            continue
        count = flips if path.suffix in (".json", ".jsonl") else 1
        for damage, content in damaged(path.read_bytes(), count, chance):
            for reader in READERS[what]:
                if content is None:
                    (Path(what) / name).unlink()
                else:
                    (Path(what) / name).write_bytes(content)
                status, out, errors = run(reader.arguments)
                same = (status, _summary(reader, out)) == expected[reader]
                verdict = judge(name, status, out, errors, same)
                yield Outcome(f"{what}/{name}", damage, " ".join(reader.arguments), verdict, errors)
                restore(what, whole)


def _summary(reader: Reader, out: str) -> Any:
    try:
        return reader.summarize(out)
    except Exception as error:
        return repr(error)


def restore(what: str, whole: Path) -> None:
    """Replace the folder `what` by its copy `whole`."""
    shutil.rmtree(what)
    shutil.copytree(whole, what)


def run(arguments: Sequence[str]) -> tuple[int | None, str, str]:
    """Status of a command in this process, None where it raised, and its output."""
    out, errors, status = io.StringIO(), io.StringIO(), None
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        try:
            status = main(arguments)
        except Exception:
            traceback.print_exc()
    return status, out.getvalue(), errors.getvalue()


def judge(name: str, status: int | None, out: str, errors: str, same: bool) -> str:
    """The verdict on a command that has read a damaged file; `same` if its result is unchanged."""
    if status is None or "Traceback" in errors:
        return "traceback"
    refusals = sum(line.startswith("error: ") for line in errors.splitlines())
    if status == 2:
        return "refused" if refusals == 1 else "unclear"
    # A checkpoint is named by its folder.
    named = name.split("/")[1] if name.startswith(CHECKPOINTS) else name.rpartition("/")[2]
    if same:
        return "unaffected"
    # `runs` shows it as a status; a sweep without its report is what an interruption leaves.
    shown = '"damaged"' in out or (named == "table.json" and '"interrupted"' in out)
    # 1 is the status of a comparison that finds another result.
    return "named" if named in errors or status == 1 or shown else "wrong"
