"""`leave_out`: a member never sees the group that it is tested on."""

import jax
import jax.numpy as jnp
import numpy as np

from dlfun.algorithms.linear_regression import ridge
from dlfun.metrics import values
from dlfun.transforms import leave_out
from tests.works import compiled

KEY = jax.random.key(0)


def examples(groups):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(len(groups), 2)).astype(np.float32)
    y = (x @ [[1.0], [2.0]] + rng.normal(size=(len(groups), 1))).astype(np.float32)
    made = {"x": x, "y": y, "group": groups, "weight": np.ones(len(groups), np.float32)}
    return {name: jnp.asarray(column) for name, column in made.items()}


def test_each_member_is_that_of_a_training_without_its_group():
    batch = examples(np.arange(30) % 3)
    learner = compiled(leave_out(ridge(), "group", 3))
    state, _ = learner.update(learner.init(KEY, batch), batch, KEY)
    error = 0.0
    for member in range(3):
        kept = {k: v[batch["group"] != member] for k, v in batch.items()}
        held = {k: v[batch["group"] == member] for k, v in batch.items()}
        alone, _ = ridge().update(ridge().init(KEY, kept), kept, KEY)
        np.testing.assert_allclose(state.weights[member], alone.weights, rtol=1e-4)
        error += values(ridge().evaluate(alone, held, KEY))["loss"] / 3
    assert np.isclose(values(learner.evaluate(state, batch, KEY))["loss"], error, rtol=1e-4)


def test_an_example_is_predicted_by_every_member():
    batch = examples(np.arange(6) % 3)
    learner = compiled(leave_out(ridge(), "group", 3))
    state = learner.init(KEY, batch)
    assert learner.predict is not None
    assert learner.predict(state, batch).shape == (6, 3, 1)
