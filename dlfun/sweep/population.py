"""Which trainings can be one compiled program, and the experiment that they make together.

Members of a population differ in seed and in float fields of their Config. Because `build` is pure
and its floats may be traced, `vmap` over the members' floats, states, orders and keys trains them
together (`dlfun.train.compile.compile_population`). The data lie on each device once; each member
gathers its own batches, in the order of its seed.
"""

import dataclasses
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dlfun import config as configs
from dlfun.data.encoded_images import EncodedImages
from dlfun.experiment import Experiment
from dlfun.learner import Key, Learner
from dlfun.metrics import Metrics
from dlfun.random import stream
from dlfun.train import loop
from dlfun.train.compile import WHOLE, Programs

Values = dict[str, Any]
"""The traced floats of one member, by path."""


@dataclasses.dataclass(frozen=True, eq=False)
class Group:
    """Configs of one structure on one dataset: the members that can share a program."""

    module: ModuleType
    experiment: Experiment
    """Built from the first of them."""
    configs: list[Any]
    members: list[int]
    """Their places in the list that was grouped."""
    paths: tuple[str, ...]
    """The floats in which they differ."""

    def values(self, number: int) -> Values:
        """The traced floats of a member."""
        flat = configs.flatten(self.configs[number])
        return {path: np.float32(flat[path]) for path in self.paths}

    def make(self, values: Values) -> Learner:
        """The learner of a member, from traced floats."""
        return self.module.build(configs.replace(self.configs[0], values)).learner

    def init(self) -> Callable[[Values, Key], Any]:
        """The compiled `init` of a member."""
        batch = loop.sample(self.experiment)
        return jax.jit(lambda values, key: self.make(values).init(key, batch))

    def population(self, numbers: Sequence[int]) -> Experiment:
        """The experiment that trains some of the members together."""
        return self.experiment._replace(seed=tuple(self.configs[n].seed for n in numbers))

    def placed(self, programs: Programs) -> "Group":
        """The group with its data on the devices, for all its members to come."""
        dataset = self.experiment.dataset
        placed = dataset._replace(splits=programs.place(dataset.splits, WHOLE))
        return dataclasses.replace(self, experiment=self.experiment._replace(dataset=placed))

    def zeros(self) -> Metrics:
        """Training metrics of nothing, of one member: a row, as `loop.start` has it."""
        return loop.zeros(lambda: loop.start(self.experiment).totals)


def group(module: ModuleType, members: Sequence[Any]) -> list[Group]:
    """Configs by structure and dataset, in the order of their first members.

    A float field that takes more than one value and that `build` and its learner accept traced is a
    value; all else but the seed is structure.
    """
    flat = [configs.flatten(member) for member in members]
    varying = [path for path in flat[0] if len({repr(f[path]) for f in flat}) > 1]
    traced = {path for path in varying if _is_value(module, members, flat, path)}
    found: dict[str, list[int]] = {}
    for number, fields in enumerate(flat):
        structure = {
            path: "value" if path in traced and isinstance(value, float) else value
            for path, value in fields.items()
            if path != "seed"
        }
        found.setdefault(repr(structure), []).append(number)
    groups = []
    for numbers in found.values():
        for experiment, same in _by_dataset(module, members, numbers):
            chosen = [members[number] for number in same]
            floats = tuple(p for p in sorted(traced) if isinstance(flat[same[0]][p], float))
            groups.append(Group(module, experiment, chosen, same, floats))
    return groups


def _by_dataset(
    module: ModuleType, members: Sequence[Any], numbers: Sequence[int]
) -> list[tuple[Experiment, list[int]]]:
    """Members of one structure by their data, which may depend on the seed."""
    found: list[tuple[Experiment, list[int]]] = []
    for seed in dict.fromkeys(members[number].seed for number in numbers):
        same = [number for number in numbers if members[number].seed == seed]
        built = module.build(members[same[0]])
        for experiment, others in found:
            if _same_data(experiment, built):
                others += same
                break
        else:
            found.append((built, same))
    return [(experiment, sorted(same)) for experiment, same in found]


def _same_data(a: Experiment, b: Experiment) -> bool:
    splits = a.dataset.splits, b.dataset.splits
    names = [[(split, *arrays) for split, arrays in part.items()] for part in splits]
    return names[0] == names[1] and all(
        x is y or (not isinstance(x, EncodedImages) and np.array_equal(x, y))
        for x, y in zip(*map(jax.tree.leaves, splits), strict=True)
    )


def _is_value(
    module: ModuleType, members: Sequence[Any], flat: Sequence[dict[str, Any]], path: str
) -> bool:
    """Whether a float may be traced: tried, for nobody else knows what `build` does with it."""
    owner = next((n for n, f in enumerate(flat) if isinstance(f[path], float)), None)
    if path == "seed" or owner is None:
        return False

    def step(value: Any) -> Any:
        experiment = module.build(configs.replace(members[owner], {path: value}))
        learner, batch, key = experiment.learner, loop.sample(experiment), stream(0, "init")
        return learner.update(learner.init(key, batch), batch, key)

    try:
        jax.eval_shape(step, jnp.float32(flat[owner][path]))
    except TypeError:  # Of JAX, for a tracer whose value is asked for, or of what takes no tracer.
        return False
    return True
