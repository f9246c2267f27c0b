"""Checkpoints of a training position: Orbax arrays under a manifest of checksums.

Each lies in a folder named for its step. A damaged one is detected before anything is read from it.
"""

import hashlib
import json
import math
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from dlfun.errors import UserError
from dlfun.train.loop import Position
from dlfun.train.run_directory import metrics_from_json, write_json

MANIFEST, ARRAYS = "manifest.json", "arrays"


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
    try:
        with _checkpointer() as checkpointer:
            checkpointer.save((part / ARRAYS).absolute(), _tree(position))
    except Exception as error:
        shutil.rmtree(part, ignore_errors=True)
        if "No space left" in str(error):
            raise UserError(f"no space left on the disk for a checkpoint in {folder}") from None
        raise
    manifest = {
        "step": position.step,
        "stage": position.stage,
        "seconds": seconds,
        "score": score if math.isfinite(score) else None,
        "metrics": metrics,
    }
    write_json(part / MANIFEST, manifest | {"files": _checksums(part)})
    shutil.rmtree(path, ignore_errors=True)
    part.replace(path)
    prune(folder, 2)
    return path


def latest(folder: Path, warn: Callable[[str], None]) -> CheckpointInfo | None:
    """The last whole checkpoint; each damaged one is named to `warn` and passed over."""
    return next(_whole(_paths(folder)[::-1], warn), None)


def best(folder: Path, warn: Callable[[str], None]) -> CheckpointInfo | None:
    """The whole checkpoint of lowest score among those of the last stage that has any."""
    return min(_whole(_paths(folder), warn), key=_rank, default=None)


def prune(folder: Path, last: int) -> None:
    """Remove all but the `last` last checkpoints and the best, by what their manifests say."""
    paths = _paths(folder)
    readable = [path for path in paths if (path / MANIFEST).exists()]
    top = min(readable, key=lambda path: _rank(_read(path)), default=None)
    for path in paths[:-last]:
        if path != top:
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
        except (ValueError, KeyError) as error:
            reason = str(error).partition("\n")[0]
            raise UserError(
                f"checkpoint {saved.path} does not fit the model: it holds other arrays, those of "
                f"another version of dlfun or of the experiment ({reason.rstrip(':')})"
            ) from None
    return Position(tree["state"], saved.step, tree["totals"], saved.stage)


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
            saved = _read(path)
            _verify(path)
        except UserError as error:
            warn(str(error))
        else:
            yield saved


def _read(path: Path) -> CheckpointInfo:
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        # Checkpoints of versions without stages have neither stage nor score.
        score = manifest.get("score")
        return CheckpointInfo(
            path,
            manifest["step"],
            manifest["seconds"],
            metrics_from_json(dict(manifest["metrics"])),
            manifest.get("stage", 0),
            math.inf if score is None else score,
        )
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"checkpoint {path} is damaged: no readable {MANIFEST}") from None


def _verify(path: Path) -> None:
    """Check each file against the manifest. Raises UserError naming the checkpoint and the file."""
    actual = _checksums(path)
    for name, checksum in json.loads((path / MANIFEST).read_text(encoding="utf-8"))[
        "files"
    ].items():
        if name not in actual:
            raise UserError(f"checkpoint {path} is damaged: {name} is missing")
        if actual[name] != checksum:
            raise UserError(f"checkpoint {path} is damaged: {name} has another checksum")


def _checksums(path: Path) -> dict[str, str]:
    return {
        str(file.relative_to(path)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(path.rglob("*"))
        if file.is_file() and file.name != MANIFEST
    }
