"""`minimize` equals the plain loop over optax's updates."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import Mesh, PartitionSpec

from dlfun.algorithms.minimize import LossAndMetrics, minimize
from dlfun.learner import AXIS
from dlfun.metrics import Ratio, mean, values

KEY = jax.random.key(0)
OPTIMIZER = optax.sgd(0.1, momentum=0.9)


def batch(size=6, weight=None):
    rng = np.random.default_rng(0)
    return {
        "x": jnp.asarray(rng.normal(size=(size, 3)), jnp.float32),
        "y": jnp.asarray(rng.normal(size=size), jnp.float32),
        "weight": jnp.ones(size) if weight is None else jnp.asarray(weight, jnp.float32),
    }


def init(key, batch):
    return {"params": {"w": jax.random.normal(key, (3,))}, "memory": {"batches": jnp.zeros(())}}


def errors(params, batch):
    return jnp.square(batch["x"] @ params["w"] - batch["y"])


def objective(variables, batch, key, training):
    """Squared error of a linear model, that counts the batches it is trained on."""
    losses, weight = errors(variables["params"], batch), batch["weight"]
    measured = {"large": mean((losses > 1).astype(jnp.float32), weight)}
    memory = {"batches": variables["memory"]["batches"] + 1}
    return LossAndMetrics(mean(losses, weight), measured, {"memory": memory})


def close(a, b):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6), a, b)


def test_updates_equal_a_plain_loop():
    learner = minimize(init, objective, OPTIMIZER)
    state = learner.init(KEY, batch())
    params, memory = state.params, OPTIMIZER.init(state.params)
    for _ in range(3):
        loss = errors(params, batch()).mean()
        gradient = jax.grad(lambda params: errors(params, batch()).mean())(params)
        step, memory = OPTIMIZER.update(gradient, memory)
        params = optax.apply_updates(params, step)
        state, measured = learner.update(state, batch(), KEY)
        close(values(measured)["loss"], loss)
    close(state.params, params)
    close(state.optimizer, memory)


def test_metrics_stand_beside_the_loss_and_may_replace_it():
    def replaced(variables, batch, key, training):
        result = objective(variables, batch, key, training)
        return result._replace(metrics={"loss": Ratio(jnp.ones(()), jnp.ones(()))})

    learner = minimize(init, objective, OPTIMIZER)
    state = learner.init(KEY, batch())
    assert set(learner.update(state, batch(), KEY)[1]) == {"loss", "large"}
    assert set(learner.evaluate(state, batch(), KEY)) == {"loss", "large"}
    other = minimize(init, replaced, OPTIMIZER)
    close(other.update(state, batch(), KEY)[0], learner.update(state, batch(), KEY)[0])
    assert values(other.update(state, batch(), KEY)[1]) == {"loss": 1}


def test_collections_are_updated_and_evaluation_leaves_them():
    learner = minimize(init, objective, OPTIMIZER)
    state = learner.init(KEY, batch())
    for _ in range(2):
        state, _ = learner.update(state, batch(), KEY)
    learner.evaluate(state, batch(), KEY)
    assert state.variables["memory"]["batches"] == 2
    assert set(state.variables) == {"params", "memory"}


def test_a_collection_that_is_not_updated_stays():
    def silent(variables, batch, key, training):
        return objective(variables, batch, key, training)._replace(collections={})

    learner = minimize(init, silent, OPTIMIZER)
    state = learner.init(KEY, batch())
    assert learner.update(state, batch(), KEY)[0].collections == state.collections


@pytest.mark.parametrize("weight", [[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0]])
def test_two_devices_follow_the_gradient_of_the_whole_mean(weight):
    learner = minimize(init, objective, OPTIMIZER)
    assert learner.averages
    whole = batch(weight=weight)
    state = learner.init(KEY, whole)
    update = jax.shard_map(
        lambda batch: learner.update(state, batch, KEY)[0],
        mesh=Mesh(np.array(jax.devices()[:2]), AXIS),
        in_specs=PartitionSpec(AXIS),
        out_specs=PartitionSpec(),
        check_vma=False,
    )
    close(jax.jit(update)(whole), learner.update(state, whole, KEY)[0])


def test_training_and_key_reach_the_objective():
    def noisy(variables, batch, key, training):
        result = objective(variables, batch, key, training)
        noise = jax.random.uniform(key) if training else jnp.zeros(())
        return result._replace(metrics={"noise": Ratio(noise, jnp.ones(()))})

    learner = minimize(init, noisy, OPTIMIZER)
    state = learner.init(KEY, batch())
    noise = [
        float(learner.update(state, batch(), jax.random.key(seed))[1]["noise"].total)
        for seed in (0, 0, 1)
    ]
    assert noise[0] == noise[1] != noise[2]
    assert learner.evaluate(state, batch(), KEY)["noise"].total == 0


def test_predictions_read_all_variables():
    learner = minimize(init, objective, OPTIMIZER, lambda v, b: b["x"] @ v["params"]["w"])
    state = learner.init(KEY, batch())
    close(learner.predict(state, batch()), batch()["x"] @ state.params["w"])
    assert minimize(init, objective, OPTIMIZER).predict is None
