"""Checkpoints of a training position: a file of arrays, and a manifest that holds its checksum.

Each lies in a folder named for its step. A damaged one is detected before anything is read from it.
The file is of the format safetensors; arrays are named by their paths in the position.
"""

import contextlib
import math
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypedDict

import jax
import numpy as np
import safetensors.numpy

from dlfun.errors import UserError
from dlfun.train.loop import Position
from dlfun.train.run_directory import (
    checksum,
    json_of,
    metrics_from_json,
    write_bytes,
    write_json,
)

Kept = Literal["all", "best", "none"]
"""The checkpoints that a completed training keeps: the last and the best, the best, or none."""
MANIFEST, ARRAYS = "manifest.json", "arrays.safetensors"


class Manifest(TypedDict):
    """The fields of a manifest."""

    step: int
    stage: int
    seconds: float
    score: float | None
    metrics: dict[str, dict[str, Any]]
    arrays: str
    """The checksum of the file of arrays."""


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
    path, part = folder / f"{position.step:08d}", folder / ".part"
    named = {name: np.asarray(leaf, order="C") for name, leaf in _leaves(position)}
    arrays = safetensors.numpy.save({name: a.view(_stored(a.dtype)) for name, a in named.items()})
    manifest = {
        "step": position.step,
        "stage": position.stage,
        "seconds": seconds,
        "score": score if math.isfinite(score) else None,
        "metrics": metrics,
        "arrays": checksum(arrays),
    }
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        write_bytes(part / ARRAYS, arrays)
        write_json(part / MANIFEST, manifest)
    except OSError:  # The disk may be full.
        shutil.rmtree(part, ignore_errors=True)
        raise
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
    if len(paths) <= last:
        return
    readable = []
    for path in paths:
        with contextlib.suppress(UserError):  # `latest` names it.
            readable.append(_parse(path, _manifest(path)))
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
    stored = safetensors.numpy.load((saved.path / ARRAYS).read_bytes())
    arrays, misfits = [], []
    for name, leaf in _leaves(like):
        array = stored.pop(name, None)
        if array is None or (array.dtype, array.shape) != (_stored(leaf.dtype), leaf.shape):
            found = "missing" if array is None else f"{array.dtype}{list(array.shape)}"
            misfits.append(f"{name} is {found}, expected {leaf.dtype}{list(leaf.shape)}")
        else:
            arrays.append(array.view(leaf.dtype))
    misfits += [f"{name} is not in the model" for name in stored]
    if misfits:
        raise UserError(
            f"checkpoint {saved.path} does not fit the model: it holds other arrays, those of "
            f"another version of dlfun or of the experiment ({misfits[0]})"
        )
    tree = jax.tree.unflatten(jax.tree.structure(_tree(like)), arrays)
    return Position(tree["state"], saved.step, tree["totals"], saved.stage)


def _tree(position: Position) -> dict[str, Any]:
    return {"state": position.state, "totals": position.totals}


def _leaves(position: Position) -> list[tuple[str, Any]]:
    """The arrays of a position by name."""
    leaves = jax.tree.leaves_with_path(_tree(position))
    return [(jax.tree_util.keystr(path), leaf) for path, leaf in leaves]


def _stored(dtype: Any) -> np.dtype:
    """The type as which an array is stored: whole numbers for a type that NumPy lacks."""
    return np.dtype(f"u{dtype.itemsize}") if dtype.kind == "V" else np.dtype(dtype)


def _paths(folder: Path) -> list[Path]:
    paths = (path for path in folder.glob("*") if path.name.isdecimal() and path.is_dir())
    return sorted(paths, key=lambda path: int(path.name))


def _whole(paths: Iterable[Path], warn: Callable[[str], None]) -> Iterator[CheckpointInfo]:
    for path in paths:
        try:
            yield _verify(path)
        except UserError as error:
            warn(str(error))


def _parse(path: Path, manifest: dict[str, Any]) -> CheckpointInfo:
    return CheckpointInfo(
        path,
        manifest["step"],
        manifest["seconds"],
        metrics_from_json(manifest["metrics"]),
        manifest["stage"],
        math.inf if manifest["score"] is None else manifest["score"],
    )


def _manifest(path: Path) -> dict[str, Any]:
    """The manifest of a checkpoint. Raises UserError naming the checkpoint where it is damaged."""
    try:
        manifest = json_of((path / MANIFEST).read_bytes(), Manifest)
    except (OSError, ValueError) as error:
        raise UserError(f"checkpoint {path} is damaged: {MANIFEST}: {error}") from None
    if manifest["step"] != int(path.name):
        raise UserError(f"checkpoint {path} is damaged: it is of step {manifest['step']}")
    return manifest


def _verify(path: Path) -> CheckpointInfo:
    """Compare the arrays with their checksum. Raises UserError naming the checkpoint."""
    manifest = _manifest(path)
    try:
        found = checksum((path / ARRAYS).read_bytes())
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UserError(f"checkpoint {path} is damaged: {ARRAYS}: {reason}") from None
    if found != manifest["arrays"]:
        raise UserError(f"checkpoint {path} is damaged: {ARRAYS} has another checksum")
    return _parse(path, manifest)
