"""A dry run of a sweep: its trials by the program that trains them."""

import jax
import numpy as np
from rich.table import Table

from dlfun import config as configs
from dlfun.sweep.plan import Plan
from dlfun.sweep.space import apply
from dlfun.sweep.table import format_value, number_of, product
from dlfun.train.population import group
from dlfun.train.trainer import first_position


def describe(plan: Plan) -> Table:
    """A row for each compiled program: what is the same in it, what differs, and how large it is.

    A program holds all members (trials times seeds) of one structure on one dataset; of these as
    many are trained at once as a measurement says. Of `tpe`, whose trials are not known before, the
    programs of as many random ones are shown.
    """
    base, seeds = plan.base, plan.seeds
    points = plan.points
    if points is None:
        points = configs.replace(plan, {"search.strategy": "random"}).points or []
    members = [
        configs.replace(apply(base, point), {"seed": seed}) for point in points for seed in seeds
    ]
    swept = list(dict.fromkeys(path for point in points for path in point))
    groups = group(plan.of, members, plan.inputs)
    title = f"{product(len(points), len(seeds))} in {number_of(len(groups), 'program')}"
    shown = Table(
        "program",
        "trainings",
        "structure",
        "values",
        "state of one",
        title=title,
        box=None,
    )
    for number, one in enumerate(groups):
        flat = configs.flatten(one.configs[0])
        fixed = [f"{path} {format_value(flat[path])}" for path in swept if path not in one.paths]
        state = first_position(one.stages(), 0).state
        size = sum(np.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))
        shown.add_row(
            str(number),
            str(len(one.members)),
            ", ".join(fixed) or "one",
            ", ".join(["seed", *one.paths]),
            f"{size / 1e6:.1f} MB",
        )
    return shown
