"""How many members to train at once: as many as still pay, and fit."""

import itertools
from collections.abc import Sequence
from typing import Any

import jax

from dlfun.train import loop
from dlfun.train.compile import Programs

GAIN = 1.15
"""Doubling the members at once must give this factor in members' steps per second, or it is not
worth its compilation and its memory."""
MEMORY_COPIES = 4
"""State, gradients, the last good epoch and temporaries."""


def choose_size(work: Any, programs: Programs, numbers: Sequence[int]) -> int:
    """Members at once, a multiple of the devices, by a measurement of half a second each.

    On a CPU the cores are full with a member each, unless the members are tiny; on a GPU small
    networks are bound by the launching of kernels, and many cost as much as one.
    """
    devices, best, rate = programs.devices, programs.devices, 0.0
    size = devices
    while True:
        filled = list(itertools.islice(itertools.cycle(numbers), size))
        position, _ = work.begin(filled)
        if size > devices and not _fits(position, programs):
            return best
        try:
            found = size * _steps_per_second(work.group.population(filled), position, programs)
        except jax.errors.JaxRuntimeError as error:
            if size == devices or not does_not_fit(error):
                raise
            return best
        if found < GAIN * rate:
            return best
        best, rate = size, found
        if size >= len(numbers):
            return best
        size *= 2


def does_not_fit(error: Exception) -> bool:
    """Whether a device has run out of memory."""
    return "RESOURCE_EXHAUSTED" in str(error) or "out of memory" in str(error).lower()


def _steps_per_second(experiment: Any, position: loop.Position, programs: Programs) -> float:
    """The pace of the second piece: the first, of one step, only sets the length."""
    endless = experiment._replace(epochs=10**6)
    pieces = loop.fit(endless, position._replace(step=0), programs)
    *_, last = itertools.islice(pieces, 2)
    return last.examples_per_second


def _fits(position: loop.Position, programs: Programs) -> bool:
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(position.state))
    return MEMORY_COPIES * size / programs.devices <= loop.memory_limit()
