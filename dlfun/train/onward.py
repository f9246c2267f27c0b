"""Trainings that go on from others: with more epochs, or from the parameters of another run."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any

import jax
import numpy as np

from dlfun import config as configs
from dlfun.errors import UserError
from dlfun.experiment import Experiment, Stage
from dlfun.nn.networks import MEMORY, Path, parameters, replace_parameters
from dlfun.train import checkpoint, loop, run_directory
from dlfun.train.run_directory import IDENTITY

Note = Callable[[str], None]


def extend(
    run: FilePath,
    experiment: Experiment,
    config: Any,
    data: Any,
    description: Any,
    restore: Callable[[checkpoint.CheckpointInfo], Any],
    note: Note,
) -> None:
    """Let a run go on where the same training was asked for with fewer epochs of its last stage.

    The result is then that of an unbroken training, to the bit: each update must be the same, and
    its trace is compared. Where nothing differs, or anything else, nothing is done.

    `restore` raises UserError where a checkpoint does not fit, as one of an older dlfun may not.

    Raises UserError where the updates depend on the number of epochs, or no checkpoint is left.
    """
    if not (run / run_directory.CONFIG).is_file():
        return
    earlier = run_directory.read_config(run)
    result = run_directory.read_result(run)
    before = {name: earlier[name] for name in IDENTITY}
    now = json.loads(json.dumps({name: description[name] for name in IDENTITY}))
    if before["experiment"] != now["experiment"]:
        return
    checked = configs.from_dict(type(config), before["config"])
    old, new = (configs.flatten_json(one) for one in (configs.to_dict(checked), now["config"]))
    changed = [path for path in new if new[path] != old.get(path)]
    elsewhere = configs.difference(before | {"config": {}}, now | {"config": {}})
    if (
        elsewhere
        or old.keys() != new.keys()
        or len(changed) != 1
        or result.get("status") == "diverged"
    ):
        return
    (path,) = changed
    (*firsts, last), (*old_firsts, old_last) = (
        experiment.stages(one, data) for one in (config, configs.replace(config, {path: old[path]}))
    )
    if path == "seed" or last.epochs <= old_last.epochs:
        return
    if [s.epochs for s in firsts] != [s.epochs for s in old_firsts]:
        return
    asked = f"{run} was trained with --{path.replace('_', '-')} {old[path]}"
    pairs = zip([*firsts, last], [*old_firsts, old_last], strict=True)
    if not all(_same_update(one, other) for one, other in pairs):
        raise UserError(
            f"{asked}: it cannot go on to {new[path]}, because its updates depend on the number of "
            f"epochs, as under a cosine schedule; give another --run-dir, or start a new run from "
            f"its parameters by --from {run}"
        )
    with run_directory.locked(run):
        saved = checkpoint.latest(run / run_directory.CHECKPOINTS, note)
        if saved is None:
            raise UserError(f"{asked} and has no whole checkpoint: it cannot go on to {new[path]}")
        restore(saved)
        run_directory.read_metrics(run)  # Raises where rows are lost, which nobody could tell then.
        # In this order: a process that is killed between the two leaves a run as it was.
        if result.get("status") == "completed":
            run_directory.write_result(run, result | {"status": "interrupted"})
        run_directory.write_json(run / run_directory.CONFIG, description)
    note(f"{asked}: going on to {new[path]}")


def _same_update(one: Stage, other: Stage) -> bool:
    """True if two stages compute the same update, on batches of the same size."""
    return one.batch_size == other.batch_size and _trace(one) == _trace(other)


def _trace(stage: Stage) -> tuple[str, list[bytes]]:
    """The program of a stage's update, and the arrays in it."""
    batch, key = loop.sample_batch(stage.dataset), jax.random.key(0)
    state = jax.eval_shape(stage.learner.init, key, batch)
    program = jax.make_jaxpr(stage.learner.update)(state, batch, key)
    arrays = [np.asarray(a).tobytes() for a in program.consts if not _is_key(a)]
    # Functions are printed with their place in memory.
    return re.sub(r" at 0x[0-9a-f]+", "", str(program)), arrays


def _is_key(array: Any) -> bool:
    return hasattr(array, "dtype") and jax.dtypes.issubdtype(array.dtype, jax.dtypes.prng_key)


def matching(
    source: Mapping[Path, Any], stage: Stage, run: FilePath, note: Note
) -> dict[Path, np.ndarray]:
    """The arrays of another run that a stage has too, by name and shape; says what is new.

    Raises UserError where there is none.
    """
    key, batch = jax.random.key(0), loop.sample_batch(stage.dataset)
    fresh = parameters(jax.eval_shape(stage.learner.init, key, batch), MEMORY)
    taken = {
        path: np.asarray(source[path])
        for path, array in fresh.items()
        if path in source and source[path].shape == array.shape
    }
    shapes = {path: "×".join(map(str, array.shape)) for path, array in fresh.items()}
    new = [
        f"{'.'.join(path)} {shapes[path]}"
        + (f" (was {'×'.join(map(str, source[path].shape))})" if path in source else "")
        for path in fresh
        if path not in taken
    ]
    if not taken:
        raise UserError(
            f"--from {run}: none of its arrays has the name and the shape of one of this "
            f"experiment's; expected such as {new[0] if new else 'a parameter'}"
        )
    note(f"from {run}: {len(taken)} of {len(fresh)} arrays; new: {_listed(new)}")
    return taken


def _listed(names: Sequence[str], most: int = 8) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return (", ".join(names[:most]) or "none") + more


def put(states: Any, taken: Mapping[Path, np.ndarray]) -> Any:
    """States of one member, [1, …], with the arrays taken from another run in their places."""
    return replace_parameters(states, {path: array[None] for path, array in taken.items()}, MEMORY)
