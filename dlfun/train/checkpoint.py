"""Checkpoints of a training position: Orbax arrays under a manifest of checksums.

Each lies in a folder named for its step. A damaged one is detected before anything is read from it.
"""

import contextlib
import math
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple, NotRequired, TypedDict

import jax
import numpy as np

from dlfun.errors import UserError
from dlfun.train.loop import Position
from dlfun.train.run_directory import checksum, json_of, metrics_from_json, write_json

Kept = Literal["all", "best", "none"]
"""The checkpoints that a completed training keeps: the last and the best, the best, or none."""
OVERHEAD = 2**18
"""Bytes that a checkpoint may take beside its arrays."""
MANIFEST, ARRAYS = "manifest.json", "arrays"


class Manifest(TypedDict):
    """The fields of a manifest."""

    step: int
    seconds: float
    metrics: dict[str, dict[str, Any]]
    files: dict[str, str]
    stage: NotRequired[int]
    score: NotRequired[float | None]


class CheckpointInfo(NamedTuple):
    """A whole checkpoint on the disk."""

    path: Path
    step: int
    seconds: float
    """Training time up to it."""
    metrics: dict[str, dict[str, Any]]
    """The metrics of each split at the end of an epoch; empty within one."""
    stage: int = 0
    score: float = float("inf")
    """Lower is better; infinite within an epoch."""


def save(
    folder: Path,
    position: Position,
    seconds: float,
    metrics: dict[str, dict[str, Any]],
    score: float = float("inf"),
) -> Path:
    """Write a checkpoint, whole or not at all; keep the two last and the best. Returns its path.

    `position` is of one member, its arrays on the host. `score` decides which is the best.
    """
    path = folder / f"{position.step:08d}"
    part = folder / ".part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    full = f"no space left on the disk for a checkpoint in {folder}"
    size = sum(np.asarray(leaf).nbytes for leaf in jax.tree.leaves(_tree(position)))
    # Orbax would print a traceback for each of its threads.
    if shutil.disk_usage(part).free < size + OVERHEAD:
        part.rmdir()
        raise UserError(full)
    try:
        with _checkpointer() as checkpointer:
            checkpointer.save((part / ARRAYS).absolute(), _tree(position))
    except Exception as error:
        shutil.rmtree(part, ignore_errors=True)
        if "No space left" in str(error):
            raise UserError(full) from None
        raise
    manifest: dict[str, Any] = {
        "step": position.step,
        "stage": position.stage,
        "seconds": seconds,
        "score": score if math.isfinite(score) else None,
        "metrics": metrics,
    }
    write_json(part / MANIFEST, manifest | {"files": _checksums(part)})
    shutil.rmtree(path, ignore_errors=True)
    part.replace(path)
    _prune(folder, last=2)
    return path


def latest(folder: Path, warn: Callable[[str], None]) -> CheckpointInfo | None:
    """The last whole checkpoint; each damaged one is named to `warn` and passed over."""
    return next(_whole(_paths(folder)[::-1], warn), None)


def best(folder: Path, warn: Callable[[str], None]) -> CheckpointInfo | None:
    """The whole checkpoint of lowest score among those of the last stage that has any."""
    return min(_whole(_paths(folder), warn), key=_rank, default=None)


def keep(folder: Path, which: Kept) -> None:
    """Remove what a completed training does not keep of its checkpoints."""
    if which == "none":
        shutil.rmtree(folder, ignore_errors=True)
    else:
        _prune(folder, last=which == "all")


def _prune(folder: Path, last: int) -> None:
    """Remove all but the `last` last checkpoints and the best, by what their manifests say."""
    paths = _paths(folder)
    readable = []
    for path in paths:
        with contextlib.suppress(UserError):  # `latest` names it.
            readable.append(_read(path))
    top = min(readable, key=_rank, default=None)
    for path in paths[: len(paths) - last]:
        if top is None or path != top.path:
            shutil.rmtree(path)


def _rank(info: CheckpointInfo) -> tuple[int, float]:
    return -info.stage, info.score


def restore(saved: CheckpointInfo, like: Position) -> Position:
    """The position in a checkpoint, in the structure of `like`, whose leaves may be shapes.

    Raises UserError where the checkpoint holds arrays of another structure.
    """
    target = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), _tree(like))
    with _checkpointer() as checkpointer:
        try:
            tree = checkpointer.restore((saved.path / ARRAYS).absolute(), target)
            _compare_shapes(target, tree)
        except (ValueError, KeyError) as error:
            reason = str(error).partition("\n")[0]
            raise UserError(
                f"checkpoint {saved.path} does not fit the model: it holds other arrays, those of "
                f"another version of dlfun or of the experiment ({reason.rstrip(':')})"
            ) from None
    return Position(tree["state"], saved.step, tree["totals"], saved.stage)


def _compare_shapes(expected: Any, stored: Any) -> None:
    """Raise ValueError naming the first array of another shape or type."""
    stored_leaves = jax.tree.leaves(stored)
    for (path, leaf), other in zip(jax.tree.leaves_with_path(expected), stored_leaves, strict=True):
        if (leaf.shape, leaf.dtype) != (other.shape, other.dtype):
            name = jax.tree_util.keystr(path, simple=True, separator=".")
            expected_text, stored_text = (f"{a.dtype}{list(a.shape)}" for a in (leaf, other))
            raise ValueError(f"{name} is {stored_text}, expected {expected_text}")


def _checkpointer() -> Any:
    import orbax.checkpoint as ocp

    alone = None
    if jax.process_count() > 1:  # Orbax would else wait for the other processes.
        me = jax.process_index()
        alone = ocp.options.MultiprocessingOptions(
            primary_host=me, active_processes={me}, barrier_sync_key_prefix=f"process{me}"
        )
    return ocp.StandardCheckpointer(**({"multiprocessing_options": alone} if alone else {}))


def _tree(position: Position) -> dict[str, Any]:
    return {"state": position.state, "totals": position.totals}


def _paths(folder: Path) -> list[Path]:
    paths = (path for path in folder.glob("*") if path.name.isdecimal() and path.is_dir())
    return sorted(paths, key=lambda path: int(path.name))


def _whole(paths: Iterable[Path], warn: Callable[[str], None]) -> Iterator[CheckpointInfo]:
    for path in paths:
        try:
            yield _verify(path)
        except UserError as error:
            warn(str(error))


def _read(path: Path) -> CheckpointInfo:
    """The manifest of a checkpoint. Raises UserError naming the checkpoint where it is damaged."""
    return _parse(path, _manifest(path))


def _parse(path: Path, manifest: dict[str, Any]) -> CheckpointInfo:
    # Checkpoints of versions without stages have neither stage nor score.
    score = manifest.get("score")
    return CheckpointInfo(
        path,
        manifest["step"],
        manifest["seconds"],
        metrics_from_json(manifest["metrics"]),
        manifest.get("stage", 0),
        math.inf if score is None else score,
    )


def _manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = json_of((path / MANIFEST).read_bytes(), Manifest)
    except (OSError, ValueError) as error:
        raise UserError(f"checkpoint {path} is damaged: {MANIFEST}: {error}") from None
    if manifest["step"] != int(path.name):
        raise UserError(f"checkpoint {path} is damaged: it is of step {manifest['step']}")
    return manifest


def _verify(path: Path) -> CheckpointInfo:
    """Check each file against the manifest. Raises UserError naming the checkpoint and the file."""
    manifest, actual = _manifest(path), _checksums(path)
    for name in manifest["files"].keys() | actual.keys():
        if name not in actual:
            raise UserError(f"checkpoint {path} is damaged: {name} is missing")
        if name not in manifest["files"]:
            raise UserError(f"checkpoint {path} is damaged: {name} is not in {MANIFEST}")
        if actual[name] != manifest["files"][name]:
            raise UserError(f"checkpoint {path} is damaged: {name} has another checksum")
    return _parse(path, manifest)


def _checksums(path: Path) -> dict[str, str]:
    return {
        file.relative_to(path).as_posix(): checksum(file.read_bytes())
        for file in sorted(path.rglob("*"))
        if file.is_file() and file.name != MANIFEST
    }
