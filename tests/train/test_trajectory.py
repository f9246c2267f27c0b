"""A trajectory goes through the states that updates one after another go through."""

import jax
import jax.numpy as jnp
import numpy as np

from dlfun import experiment as experiments
from dlfun.random import stream
from dlfun.train.gather import gather
from dlfun.train.trajectory import trajectories, trajectory


def test_a_trajectory_is_updates_one_after_another():
    experiment = experiments.load("perceptron_gates")
    config = experiment.Config(epochs=2, batch_size=3)
    dataset = experiment.data(config)
    (stage,) = experiment.stages(config, dataset)
    states, measured = trajectory(stage.learner, dataset, 2, 3, seed=5)
    train = {name: jnp.asarray(array) for name, array in dataset.splits["train"].items()}
    orders = np.concatenate([dataset.order(5, epoch, 40, 3) for epoch in range(2)])
    assert orders.min() == -1  # The last batch of an epoch is filled up.
    state = stage.learner.init(stream(5, "init"), gather(train, jnp.zeros(1, jnp.int32)))
    update = jax.jit(stage.learner.update)
    assert len(states["xor"].weights) == len(orders) + 1
    for step, indices in enumerate(orders):
        jax.tree.map(lambda a, b, n=step: np.testing.assert_array_equal(a[n], b), states, state)
        key = jax.random.fold_in(stream(5, "update"), step)
        state, metrics = update(state, gather(train, jnp.asarray(indices)), key)
        jax.tree.map(lambda a, b, n=step: np.testing.assert_array_equal(a[n], b), measured, metrics)
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a[-1], b), states, state)


def test_several_trajectories_are_as_each_alone():
    experiment = experiments.load("perceptron_margin")
    seeds = (3, 4)
    configs = [experiment.Config(examples=50, seed=seed) for seed in seeds]
    datasets = [experiment.data(config) for config in configs]
    (stage,) = experiment.stages(configs[0], datasets[0])
    together, _ = trajectories(stage.learner, datasets, 2, 1, seeds)
    for number, (dataset, seed) in enumerate(zip(datasets, seeds, strict=True)):
        alone, _ = trajectory(stage.learner, dataset, 2, 1, seed)
        jax.tree.map(lambda a, b, n=number: np.testing.assert_array_equal(a[n], b), together, alone)
