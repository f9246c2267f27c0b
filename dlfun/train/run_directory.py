"""The run directory: its files, written and read back. Reading executes nothing found in it.

Each JSON object that is written, be it a file or a line of one, holds a checksum of the rest of it:
a figure that was changed on the disk is not taken for a result.
"""

import contextlib
import errno
import functools
import hashlib
import json
import math
import os
import platform
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NotRequired, TypedDict, get_type_hints, is_typeddict

from dlfun import __version__
from dlfun import config as configs
from dlfun.errors import UserError

CONFIG, METRICS, RESULT, CHECKPOINTS, PLOTS, SAMPLES = (
    "config.json",
    "metrics.jsonl",
    "result.json",
    "checkpoints",
    "plots",
    "samples",
)
SWEEP = "sweep.json"
CHECKSUM = "checksum"
FINAL = ("completed", "diverged")
"""Statuses of runs that are not trained again."""
IDENTITY = ("experiment", "config", "options")


def to_json(value: Any, indent: int | None = None) -> str:
    """A value as JSON, which has no numbers that are not finite: these become null."""
    with contextlib.suppress(ValueError, TypeError):  # Most are plain, and finite.
        return json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)

    def finite(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: finite(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [finite(item) for item in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return json.dumps(finite(value), indent=indent, ensure_ascii=False, allow_nan=False)


def metrics_from_json(value: Any) -> Any:
    """Metrics as they were before `to_json`: null becomes nan."""
    if isinstance(value, dict):
        return {key: metrics_from_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [metrics_from_json(item) for item in value]
    return math.nan if value is None else value


def signed(value: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON object with a checksum of its content, which `json_of` compares."""
    return {**value, CHECKSUM: checksum(to_json(value).encode())}


def signed_line(value: Mapping[str, Any]) -> str:
    """The result of `signed` as a line of text; the object must not be empty."""
    text = to_json(value)
    return f'{text[:-1]}, "{CHECKSUM}": "{checksum(text.encode())}"}}\n'


def checksum(content: bytes) -> str:
    """SHA-256, in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write an object as JSON with a checksum, whole or not at all."""
    write_text(path, to_json(signed(value), indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text, whole or not at all."""
    with atomic(path) as part, part.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A path to write to beside `path`, renamed to it at the end: no half-written file is left."""
    part = path.with_name(path.name + ".part")
    try:
        yield part
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


class Description(TypedDict):
    """The fields of config.json that are read."""

    experiment: str
    config: dict[str, Any]
    options: dict[str, Any]
    versions: NotRequired[dict[str, str]]
    device: NotRequired[dict[str, Any]]
    flags: NotRequired[dict[str, str]]
    commit: NotRequired[str | None]
    command: NotRequired[str]
    data_dir: NotRequired[str | None]


class Result(TypedDict):
    """The fields of result.json that are read."""

    status: str
    step: NotRequired[int]
    seconds: NotRequired[float]
    metrics: NotRequired[dict[str, dict[str, Any]]]
    rows: NotRequired[int]


class FinalResult(TypedDict):
    """The fields of result.json that a completed or diverged run must have."""

    status: str
    step: int
    seconds: float
    metrics: dict[str, dict[str, Any]]


class Row(TypedDict):
    """The fields that each row of metrics.jsonl has beside its metrics."""

    split: str
    epoch: int
    step: int
    seconds: float


def read_json(path: Path, shape: Any) -> Any:
    """The value in a JSON file. Raises UserError naming the file where it is not of a shape."""
    try:
        return json_of(path.read_bytes(), shape)
    except ValueError as error:
        raise UserError(f"{path} is damaged: {error}") from None


def json_of(text: bytes, shape: Any) -> Any:
    """The value of a JSON text: of the type `shape`, or with the keys of a TypedDict among others.

    Raises ValueError where it is not, or where its checksum is of other content or has another
    name. Without one, as earlier versions wrote it and as it may be edited by hand, nothing is
    compared.
    """
    try:
        value = json.loads(text)
        if isinstance(value, dict) and value:
            name = CHECKSUM if CHECKSUM in value else next(reversed(value))  # It is written last.
            last = value[name]
            to_json(last).encode()  # Raises on a lone surrogate, as encoding `rest` does.
            rest = {key: item for key, item in value.items() if key != name}
            if (last == checksum(to_json(rest).encode())) != (name == CHECKSUM):
                raise ValueError(
                    f"it has another {CHECKSUM} (remove that from what you edit by hand)"
                )
            value.pop(CHECKSUM, None)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    except UnicodeEncodeError:
        raise ValueError("it has a lone surrogate, which is not valid Unicode text") from None
    check_shape(value, shape)
    return value


def check_shape(value: Any, shape: Any) -> None:
    """Raise ValueError where a value is not as `json_of` demands."""
    checked = value
    if is_typeddict(shape):
        if not isinstance(value, dict):
            raise ValueError(f"expected an object, got {type(value).__name__}")
        checked = {key: value[key] for key in get_type_hints(shape) if key in value}
    configs.check_type(checked, shape)


def read_config(run: Path) -> dict[str, Any]:
    """The config.json of a run directory. Raises UserError where `run` is not one."""
    if not (run / CONFIG).is_file():
        if (run / SWEEP).is_file():
            raise UserError(
                f"{run} is a sweep, not a run: `sweep-report {run}` ranks its trials, and each run "
                f"is a folder {run}/trials/TRIAL/seedN"
            )
        what = f"it has no {CONFIG}" if run.is_dir() else "no such directory"
        if below := sorted(run.glob(f"*/{CONFIG}")):
            what += f"; there is one in {below[0].parent}"
        elif run.is_file():
            what = "it is a file"
        raise UserError(f"{run} is not a run directory: {what}")
    return read_json(run / CONFIG, Description)


def read_result(run: Path) -> dict[str, Any]:
    """The result.json of a run, or an empty dict before the first was written.

    The status is "damaged" where it is missing though there are metrics.
    """
    if not (run / RESULT).exists():
        return {"status": "damaged"} if (run / METRICS).exists() else {}
    result = read_json(run / RESULT, Result)
    if result["status"] in FINAL:
        try:
            check_shape(result, FinalResult)
        except ValueError as error:
            raise UserError(f"{run / RESULT} is damaged: {error}") from None
    return result | {"metrics": metrics_from_json(result.get("metrics", {}))}


def read_metrics(run: Path) -> list[dict[str, Any]]:
    """The rows of metrics.jsonl; a last row cut off by a crash is left out.

    Raises UserError naming a damaged row, or the file where a completed run has lost rows.
    """
    text = (run / METRICS).read_bytes() if (run / METRICS).exists() else b""
    *lines, _ = text.split(b"\n")
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            rows.append(metrics_from_json(json_of(line, Row)))
        except ValueError as error:
            raise UserError(f"{run / METRICS}, line {number}, is damaged: {error}") from None
    expected = 0
    with contextlib.suppress(UserError):  # Who needs a damaged result.json names it.
        result = read_result(run)
        expected = result.get("rows", 0) if result.get("status") == "completed" else 0
    if len(rows) < expected:
        raise UserError(f"{run / METRICS} is damaged: it has {len(rows)} of {expected} rows")
    return rows


def keep_metrics(run: Path, step: int) -> None:
    """Drop the rows after `step`: a resumed run writes them again."""
    if not (run / METRICS).exists():
        return
    rows = [row for row in read_metrics(run) if row["step"] <= step]
    write_text(run / METRICS, _lines(rows))


def write_result(run: Path, result: dict[str, Any]) -> None:
    """Write result.json; on a full disk in the place of the one before, which takes no space."""
    try:
        write_json(run / RESULT, result)
    except OSError as error:
        if error.errno != errno.ENOSPC or not (run / RESULT).exists():
            raise
        with (run / RESULT).open("r+b") as file:
            file.write(signed_line(result).encode())
            file.truncate()
        raise


def write_failure(run: Path, error: BaseException) -> None:
    """Write into result.json that a run failed; nothing is raised if that fails too."""
    with contextlib.suppress(OSError):
        write_result(run, {"status": "failed", "error": str(error) or type(error).__name__})


def append_metrics(run: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Append rows to metrics.jsonl."""
    with (run / METRICS).open("a", encoding="utf-8") as file:
        file.write(_lines(rows))


def count_rows(run: Path) -> int:
    """The number of rows of metrics.jsonl."""
    return (run / METRICS).read_bytes().count(b"\n") if (run / METRICS).exists() else 0


def _lines(rows: Iterable[dict[str, Any]]) -> str:
    return "".join(map(signed_line, rows))


@contextlib.contextmanager
def locked(run: Path) -> Iterator[None]:
    """Hold the run directory. Raises UserError where another process holds it."""
    from filelock import FileLock, Timeout

    lock = FileLock(run / ".lock", thread_local=False)  # Another thread may release it.
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise UserError(f"{run} is in use by another process") from None
    try:
        yield
    finally:
        lock.release()


def describe(experiment: str, config: Any, options: dict[str, Any], command: str) -> dict[str, Any]:
    """The contents of config.json: all that is needed to run again, and what could change it."""
    return {
        "experiment": experiment,
        "config": configs.to_dict(config),
        "options": options,
        **environment(),
        "command": command,
        "data_dir": _data_dir(),
    }


def _data_dir() -> str | None:
    named = os.environ.get("DLFUN_DATA")
    return str(Path(named).expanduser().absolute()) if named else None


def environment() -> dict[str, Any]:
    """Versions, device, flags and commit that a run depends on."""
    import jax

    device = jax.devices()[0]
    names = ["jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "tensorflow-datasets"]
    return {
        "versions": {"python": platform.python_version(), "dlfun": __version__}
        | {name: _version(name) for name in names},
        "device": {
            "platform": device.platform,
            "kind": device.device_kind,
            "processor": _processor(),
            "cores": os.cpu_count(),
        },
        "flags": {k: v for k, v in os.environ.items() if k.startswith(("XLA_", "JAX_"))},
        "commit": _commit(),
    }


def _version(name: str) -> str:
    """The version of a library; "unknown" where its metadata are damaged."""
    import importlib.metadata

    with contextlib.suppress(importlib.metadata.PackageNotFoundError, KeyError):
        return importlib.metadata.version(name) or "unknown"
    return "unknown"


def open_run(run: Path, description: dict[str, Any]) -> None:
    """Write config.json, or check that an earlier one asks for the same run.

    Raises UserError, with the difference, where it asks for another.
    """
    if not (run / CONFIG).exists():
        write_json(run / CONFIG, description)
        return
    earlier = read_config(run)
    old, new = ({name: d[name] for name in IDENTITY} for d in (earlier, description))
    if changed := configs.difference(old, json.loads(json.dumps(new))):
        raise UserError(
            f"{run} holds a run of another configuration ({'; '.join(changed)}); "
            "give the same configuration to resume it, or another --run-dir"
        )


def make_folder(folder: Path) -> list[Path]:
    """Create a folder and those above it, or none of them; return the new ones, innermost first."""
    made: list[Path] = []
    try:
        made += [path for path in (folder, *folder.parents) if not path.exists()]
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        remove_empty(made)
        raise
    return made


def remove_empty(folders: Iterable[Path]) -> None:
    """Remove folders, innermost first; those that hold something stay."""
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()


def make_directory(run: Path, first: str = CONFIG) -> list[Path]:
    """Create the folder of a run, or of what else begins with the file `first`, by `make_folder`.

    Raises UserError where it is a file or cannot be, or holds other files without that one.
    """
    try:
        if run.exists() and not run.is_dir():
            raise UserError(f"--run-dir {run} is a file, expected a directory")
        if run.is_dir() and not (run / first).exists() and _has_other_files(run, first):
            kind = "run directory" if first == CONFIG else "sweep"
            raise UserError(f"--run-dir {run} is neither empty nor a {kind}")
        made = make_folder(run)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UserError(f"--run-dir {run} cannot be a directory: {reason}") from None
    if not os.access(run, os.W_OK | os.X_OK):
        raise UserError(f"--run-dir {run} cannot be written to: permission denied")
    return made


def _has_other_files(folder: Path, first: str) -> bool:
    """True if a file exists that a process killed before writing `first` does not leave."""
    ours = {".lock", first + ".part"}
    return any(entry.name not in ours for entry in folder.iterdir())


@functools.cache
def _commit() -> str | None:
    """The commit of the code, with `+` where the files differ from it; None outside a checkout."""
    root = Path(__file__).parents[2]
    if not shutil.which("git") or not (root / ".git").exists():
        return None

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    head = git("rev-parse", "HEAD")
    return (head + ("+" if git("status", "--porcelain", "-uno") else "")) or None


def _processor() -> str:
    """The processor's model name where Linux gives it."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
