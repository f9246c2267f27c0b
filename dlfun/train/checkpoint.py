"""Checkpoints of a training position: Orbax arrays under a manifest of checksums.

Each lies in a folder named for its step. A damaged one is detected before anything is read from it.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from dlfun.errors import UserError
from dlfun.train.compile import to_host
from dlfun.train.loop import Position
from dlfun.train.run_directory import write_json

MANIFEST, ARRAYS = "manifest.json", "arrays"


class CheckpointInfo(NamedTuple):
    """A whole checkpoint on the disk."""

    path: Path
    step: int
    seconds: float
    """Training time up to it."""
    metrics: dict[str, dict[str, Any]]
    """Each split's metrics at the end of an epoch; empty within one."""

    @property
    def score(self) -> float:
        """The loss by which the best is chosen: of the validation split, else of training."""
        split = self.metrics.get("validation") or self.metrics.get("train") or {}
        return split.get("loss", float("inf"))


def save(
    folder: Path, position: Position, seconds: float, metrics: dict[str, dict[str, Any]]
) -> Path:
    """Write a checkpoint, whole or not at all; keep the two last and the best. Returns its path.

    Of several processes all must call it, and the first writes.
    """
    path, tree = folder / f"{position.step:08d}", _tree(position)
    if jax.process_index() != 0:
        return path
    part = folder / ".part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        with _checkpointer() as checkpointer:
            checkpointer.save((part / ARRAYS).absolute(), tree)
    except Exception as error:
        shutil.rmtree(part, ignore_errors=True)
        if "No space left" in str(error):
            raise UserError(f"no space left on the disk for a checkpoint in {folder}") from None
        raise
    manifest = {"step": position.step, "seconds": seconds, "metrics": metrics}
    write_json(part / MANIFEST, manifest | {"files": _checksums(part)})
    shutil.rmtree(path, ignore_errors=True)
    part.replace(path)
    _prune(folder)
    return path


def latest(folder: Path, warn: Callable[[str], None]) -> CheckpointInfo | None:
    """The last whole checkpoint; each damaged one is named to `warn` and passed over."""
    return next(_whole(_paths(folder)[::-1], warn), None)


def best(folder: Path, warn: Callable[[str], None]) -> CheckpointInfo | None:
    """The whole checkpoint of lowest loss, on the validation split where there is one."""
    return min(_whole(_paths(folder), warn), key=lambda saved: saved.score, default=None)


def restore(saved: CheckpointInfo, like: Position) -> Position:
    """The position in a checkpoint, in the structure of `like`.

    Raises UserError where the checkpoint holds arrays of another structure.
    """
    target = jax.tree.map(np.zeros_like, _tree(like))
    with _checkpointer() as checkpointer:
        try:
            tree = checkpointer.restore((saved.path / ARRAYS).absolute(), target)
        except (ValueError, KeyError) as error:
            reason = str(error).partition("\n")[0]
            raise UserError(f"checkpoint {saved.path} does not fit the model: {reason}") from None
    return Position(tree["state"], saved.step, tree["totals"])


def _checkpointer():
    import orbax.checkpoint as ocp

    alone = None
    if jax.process_count() > 1:  # Orbax would else wait for the other processes.
        me = jax.process_index()
        alone = ocp.options.MultiprocessingOptions(
            primary_host=me, active_processes={me}, barrier_sync_key_prefix=f"process{me}"
        )
    return ocp.StandardCheckpointer(**({"multiprocessing_options": alone} if alone else {}))


def _tree(position: Position) -> dict[str, Any]:
    return to_host({"state": position.state, "totals": position.totals})


def _paths(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("[0-9]*") if path.is_dir())


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
        manifest = json.loads((path / MANIFEST).read_text())
        return CheckpointInfo(
            path, manifest["step"], manifest["seconds"], dict(manifest["metrics"])
        )
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"checkpoint {path} is damaged: no readable {MANIFEST}") from None


def _verify(path: Path) -> None:
    """Check each file against the manifest. Raises UserError naming the checkpoint and the file."""
    found = _checksums(path)
    for name, checksum in json.loads((path / MANIFEST).read_text())["files"].items():
        if name not in found:
            raise UserError(f"checkpoint {path} is damaged: {name} is missing")
        if found[name] != checksum:
            raise UserError(f"checkpoint {path} is damaged: {name} has another checksum")


def _checksums(path: Path) -> dict[str, str]:
    return {
        str(file.relative_to(path)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(path.rglob("*"))
        if file.is_file() and file.name != MANIFEST
    }


def _prune(folder: Path) -> None:
    """Remove all but the two last checkpoints and the best, by what their manifests say."""
    paths = _paths(folder)
    readable = [path for path in paths if (path / MANIFEST).exists()]
    top = min(readable, key=lambda path: _read(path).score)
    for path in paths:
        if path not in (*paths[-2:], top):
            shutil.rmtree(path)
