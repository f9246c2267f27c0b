"""Frozen layers stay as they are, and the learner sees what is read through them."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from dlfun.algorithms.frozen_layers import Stack, with_frozen
from dlfun.algorithms.minimize import LossAndMetrics, minimize
from dlfun.metrics import mean, values

KEY = jax.random.key(0)
BATCH = {"x": jnp.arange(6.0).reshape(3, 2), "weight": jnp.ones(3)}
LAYER = {"scale": jnp.float32(2)}


def learner():
    def objective(variables, batch, key, training):
        error = (batch["x"] @ variables["params"]["w"] - 1) ** 2
        return LossAndMetrics(mean(error, batch["weight"]))

    return minimize(lambda key, batch: {"params": {"w": jnp.ones(2)}}, objective, optax.sgd(0.01))


def test_an_update_is_the_learners_on_what_is_read():
    def read(below, batch):
        return {**batch, "x": below[0]["scale"] * batch["x"]}

    frozen = with_frozen(learner(), (LAYER,), read)
    state = frozen.init(KEY, BATCH)
    state = Stack(({"scale": jnp.float32(3)},), state.top)
    after, _ = frozen.update(state, BATCH, KEY)
    tripled = {**BATCH, "x": 3 * BATCH["x"]}
    expected, _ = learner().update(state.top, tripled, KEY)
    jax.tree.map(np.testing.assert_array_equal, after, Stack(state.below, expected))
    measured = values(frozen.evaluate(state, BATCH, KEY))
    assert measured == values(learner().evaluate(state.top, tripled, KEY))
    assert frozen.predict is None
