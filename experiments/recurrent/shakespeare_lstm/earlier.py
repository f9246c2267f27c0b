"""The states that a training went through, from its first updates made anew."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax

from dlfun.experiment import Stage, Trained
from dlfun.learner import State
from dlfun.train import loop
from dlfun.train.compile import compile_learner


class Moment(NamedTuple):
    """A state, the number of updates that lead to it, and its loss on the test split."""

    step: int
    state: State
    loss: float


def moments(trained: Trained, steps: Sequence[int]) -> Iterator[Moment]:
    """The training's states after some of its first updates, and the one at its end.

    The first updates are made again, from the same seed, on one device; those of `steps`, which
    ascend, that a training does not come to are left out.
    """
    config, steps = trained.config, [step for step in steps if step < trained.step]
    stage = Stage(trained.learner, trained.dataset, config.epochs, config.batch_size)
    work, programs = loop.Work(stage, (config.seed,)), compile_learner(lambda _: trained.learner)

    def moment(step: int, state: State) -> Moment:
        return Moment(step, state, loop.evaluate(work, state, programs)["test"]["loss"])

    position = loop.start(work, programs)
    if 0 in steps:
        yield moment(0, loop.member(position.state, 0))
    if steps and steps[-1] > 0:
        for progress in loop.fit(work, position, programs, loop="python"):
            step = progress.position.step
            if step in steps:
                # The next update overwrites what is not copied.
                yield moment(step, jax.device_get(loop.member(progress.position.state, 0)))
            if step == steps[-1]:
                break
    yield moment(trained.step, trained.state)
