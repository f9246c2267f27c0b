"""Trainings that can share compiled programs.

Members of a population differ in seed and in values, the float fields of their Config that are not
`Static`. Because `stages` is pure and its floats may be tracers, `vmap` over the members' values,
states, orders and keys trains them together. The data lie on each device once; each member gathers
its own batches, in the order of its seed.
"""

import dataclasses
from collections.abc import Collection, Sequence
from typing import Any

import jax
import numpy as np

from dlfun import config as configs
from dlfun.experiment import Experiment, Stage
from dlfun.train.compile import Values


@dataclasses.dataclass(frozen=True, eq=False)
class Group:
    """Configs of one structure on one dataset: the members that can share a program."""

    experiment: Experiment
    configs: list[Any]
    data: Any
    """The result of `experiment.data`, which all of them read."""
    members: list[int]
    """Their positions in the list that was grouped."""
    paths: tuple[str, ...] = ()
    """The values that are inputs of the programs."""

    def stages(self, values: Values | None = None) -> Sequence[Stage]:
        """The stages of a member with these values; by default of the first."""
        config = configs.replace(self.configs[0], values or {})
        return self.experiment.stages(config, self.data)

    @property
    def structure(self) -> str:
        """The fields that all members of this structure have in common, as text."""
        return repr(configs.flatten(self.configs[0]) | dict.fromkeys([*self.paths, "seed"]))

    def values(self, numbers: Sequence[int]) -> Values:
        """The inputs of some members, [members]."""
        rows = [configs.values(self.configs[number]) for number in numbers]
        return {path: np.array([row[path] for row in rows], np.float32) for path in self.paths}

    def seeds(self, numbers: Sequence[int]) -> tuple[int, ...]:
        """The random seeds of some members."""
        return tuple(self.configs[number].seed for number in numbers)


def group(
    experiment: Experiment, members: Sequence[Any], inputs: Collection[str] | None = None
) -> list[Group]:
    """Configs by structure and dataset, in the order of their first members.

    Args:
        experiment: what is trained.
        members: a Config for each training.
        inputs: the values that are inputs of the programs; by default those in which members
            differ. The others are constants.
    """
    flat = [configs.flatten(member) for member in members]
    values = [configs.values(member) for member in members]
    if inputs is None:
        inputs = {path for path in flat[0] if len({repr(f[path]) for f in flat}) > 1}
    structures: dict[str, list[int]] = {}
    for number, (fields, floats) in enumerate(zip(flat, values, strict=True)):
        structure = {
            path: "input" if path in inputs and path in floats else value
            for path, value in fields.items()
            if path != "seed"
        }
        structures.setdefault(repr(structure), []).append(number)
    groups = []
    for numbers in structures.values():
        paths = tuple(sorted(path for path in inputs if path in values[numbers[0]]))
        for data, same in _by_data(experiment, members, numbers):
            chosen = [members[number] for number in same]
            groups.append(Group(experiment, chosen, data, same, paths))
    return groups


def _by_data(
    experiment: Experiment, members: Sequence[Any], numbers: Sequence[int]
) -> list[tuple[Any, list[int]]]:
    """Members of one structure by their data, which may depend on the seed.

    Two seeds share their data where the arrays are the same objects, as of sources that cache what
    they read, or equal.
    """
    by_data: list[tuple[Any, list[int]]] = []
    for seed in dict.fromkeys(members[number].seed for number in numbers):
        same = [number for number in numbers if members[number].seed == seed]
        data = experiment.data(members[same[0]])
        leaves = jax.tree.leaves(data)
        for other, others in by_data:
            other_leaves = jax.tree.leaves(other)
            if len(other_leaves) == len(leaves) and all(map(_is_same, other_leaves, leaves)):
                others += same
                break
        else:
            by_data.append((data, same))
    return [(data, sorted(same)) for data, same in by_data]


def _is_same(a: Any, b: Any) -> bool:
    if a is b or not isinstance(a, np.ndarray):
        return a is b or (isinstance(a, str) and a == b)
    if not isinstance(b, np.ndarray) or (a.shape, a.dtype) != (b.shape, b.dtype):
        return False
    # Arrays that differ mostly do so at once.
    return all(np.array_equal(x, y) for x, y in ((a.flat[:1], b.flat[:1]), (a, b)))
