"""A replay goes through the very states of the training."""

import jax
import numpy as np

from dlfun import experiment as experiments
from dlfun.metrics import values
from dlfun.train import loop
from dlfun.train.trajectory import trajectory


def test_a_replay_ends_where_the_training_ended():
    module = experiments.load("perceptron_gates")
    experiment = module.build(module.Config(epochs=2))
    *_, last = loop.fit(experiment, loop.start(experiment))
    states, measured = trajectory(experiment)
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a[-1], b), states, last.position.state)
    assert len(states["xor"].weights) == 2 * 40 + 1
    second_epoch = jax.tree.map(lambda m: m[40:].sum(), measured)
    assert values(second_epoch) == values(last.evaluated["train"])


def test_several_are_gone_through_as_each_alone():
    module = experiments.load("perceptron_margin")
    each = [module.build(module.Config(examples=50, epochs=2, seed=seed)) for seed in (3, 4)]
    together, _ = trajectory(*each)
    for number, experiment in enumerate(each):
        alone, _ = trajectory(experiment)
        jax.tree.map(lambda a, b, n=number: np.testing.assert_array_equal(a[n], b), together, alone)
