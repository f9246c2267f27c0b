"""The number of members to train at once: doubled while the rate grows and memory suffices."""

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import jax
import numpy as np

from dlfun.errors import is_out_of_memory
from dlfun.train import loop
from dlfun.train.compile import Programs
from dlfun.train.options import memory_limit

if TYPE_CHECKING:
    from dlfun.train.trainer import GroupTrainer

GAIN = 1.15
"""Doubling the members at once must give this factor in members' steps per second, or it is not
worth its compilation and its memory."""
MEMORY_COPIES = 4
"""State, gradients, the last good epoch and temporaries."""


def choose_size(trainer: "GroupTrainer", numbers: Sequence[int]) -> int:
    """Members at once, a multiple of the devices, by measurements of half a second.

    `numbers` are members that stand at the same step.

    On a CPU the cores are full with a member each, unless the members are tiny; on a GPU small
    networks are bound by the launching of kernels, and many cost as much as one.
    """
    devices = trainer.programs(0).members
    size, best, best_rate = devices, devices, 0.0
    while True:
        filled = list(itertools.islice(itertools.cycle(numbers), size))
        position, _ = trainer.begin(filled)
        programs = trainer.programs(position.stage)
        if size > devices and not _fits(position, programs):
            return best
        try:
            rate = _examples_per_second(trainer, filled, position, programs)
            if rate < GAIN * best_rate:  # Another process may have taken the processor meanwhile.
                again = _examples_per_second(trainer, filled, position, programs)
                rate = max(rate, again)
        except jax.errors.JaxRuntimeError as error:
            if size == devices or not is_out_of_memory(error):
                raise
            return best
        if rate < GAIN * best_rate:
            return best
        best, best_rate = size, rate
        if size >= len(numbers):
            return best
        size *= 2


def _examples_per_second(
    trainer: "GroupTrainer", numbers: Sequence[int], position: loop.Position, programs: Programs
) -> float:
    """The pace of the second piece: the first, of one step, only sets the length."""
    work = trainer.work(position.stage, numbers)
    endless = work._replace(stage=work.stage._replace(epochs=10**6), first_step=0)
    values = trainer.group.values(numbers)
    pieces = loop.fit(endless, position._replace(step=0), programs, values)
    *_, last = itertools.islice(pieces, 2)
    return last.examples_per_second


def _fits(position: loop.Position, programs: Programs) -> bool:
    size = sum(np.asarray(leaf).nbytes for leaf in jax.tree.leaves(position.state))
    return MEMORY_COPIES * size / programs.members <= memory_limit()
