"""The restricted Boltzmann machine against loops and sums over all states."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import Mesh, PartitionSpec

from dlfun.algorithms.boltzmann_machine import (
    RBM,
    contrastive_divergence,
    free_energy,
    restricted_boltzmann_machine,
)
from dlfun.learner import AXIS, example_keys
from dlfun.metrics import values

VISIBLE, HIDDEN = 4, 3
KEY = jax.random.key(0)


def states(units):
    return np.array(list(itertools.product([0, 1], repeat=units)), np.float32)


@pytest.fixture
def rbm():
    rng = np.random.default_rng(1)
    shapes = (VISIBLE, HIDDEN), (VISIBLE,), (HIDDEN,)
    return RBM(*(jnp.asarray(rng.normal(scale=0.8, size=shape), jnp.float32) for shape in shapes))


def batch(size=6, weight=None):
    x = np.random.default_rng(2).random((size, VISIBLE)).round(2)
    return {
        "x": jnp.asarray(x, jnp.float32),
        "weight": jnp.ones(size) if weight is None else jnp.asarray(weight, jnp.float32),
    }


def machine(**options):
    return restricted_boltzmann_machine(HIDDEN, optax.sgd(0.1, momentum=0.9), **options)


def close(a, b, atol=1e-6):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5, atol=atol), a, b)


def test_the_free_energy_sums_over_hidden_states(rbm):
    v = states(VISIBLE)
    for visible, energy in zip(v, free_energy(rbm, jnp.asarray(v)), strict=True):
        total = 0.0
        for hidden in states(HIDDEN):
            interaction = visible @ np.asarray(rbm.weights) @ hidden
            total += np.exp(interaction + rbm.visible_bias @ visible + rbm.hidden_bias @ hidden)
        np.testing.assert_allclose(energy, -np.log(total), rtol=1e-5)


def test_cd_1_equals_a_loop_over_examples_and_units(rbm):
    data = batch()["x"]
    keys = example_keys(KEY, len(data))
    weights, a, b = (np.asarray(part, np.float64) for part in rbm)

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    change = RBM(np.zeros_like(weights), np.zeros_like(a), np.zeros_like(b))
    for n, v0 in enumerate(np.asarray(data, np.float64)):
        for_hidden, for_visible = jax.random.split(jax.random.fold_in(keys[n], 0))
        u_hidden = np.asarray(jax.random.uniform(for_hidden, (HIDDEN,)))
        u_visible = np.asarray(jax.random.uniform(for_visible, (VISIBLE,)))
        p0 = np.array([sigmoid(b[j] + v0 @ weights[:, j]) for j in range(HIDDEN)])
        h0 = (u_hidden < p0).astype(float)
        v1 = np.array(
            [float(u_visible[i] < sigmoid(a[i] + weights[i] @ h0)) for i in range(VISIBLE)]
        )
        p1 = np.array([sigmoid(b[j] + v1 @ weights[:, j]) for j in range(HIDDEN)])
        for i in range(VISIBLE):
            change.visible_bias[i] += v0[i] - v1[i]
            for j in range(HIDDEN):
                change.weights[i, j] += v0[i] * p0[j] - v1[i] * p1[j]
        change.hidden_bias[:] += p0 - p1
    close(contrastive_divergence(rbm, data, jnp.ones(len(data)), keys, 1), change)


def test_a_long_chain_gives_the_gradient_of_the_likelihood(rbm):
    data, repeats = jnp.asarray(states(VISIBLE)[[3, 5, 6, 15]]), 5000

    def log_likelihood(rbm):
        log_z = jax.nn.logsumexp(-free_energy(rbm, jnp.asarray(states(VISIBLE))))
        return (-free_energy(rbm, data) - log_z).mean()

    many = jnp.tile(data, (repeats, 1))
    keys = example_keys(KEY, len(many))

    def distance(steps):
        found = contrastive_divergence(rbm, many, jnp.ones(len(many)), keys, steps)
        exact = jax.grad(log_likelihood)(rbm)
        apart = jax.tree.map(lambda d, e: jnp.abs(d / len(many) - e).max(), found, exact)
        return max(map(float, apart))

    # A statistic in [0, 1] has a standard deviation of at most 1/2.
    error = 5 * 0.5 / len(many) ** 0.5
    assert distance(50) < error
    assert distance(1) > error


def test_biases_start_where_they_are_told():
    assert set(np.asarray(machine().init(KEY, batch()).params.visible_bias)) == {0}
    bias = np.arange(VISIBLE, dtype=np.float32)
    params = machine(visible_bias=bias).init(KEY, batch()).params
    np.testing.assert_array_equal(params.visible_bias, bias)
    np.testing.assert_array_equal(params.hidden_bias, np.zeros(HIDDEN))
    assert 0 < float(jnp.abs(params.weights).max()) < 0.05


def test_an_update_ascends_the_mean_of_cd(rbm):
    learner, data = machine(steps=2), batch(weight=[1, 1, 0, 1, 1, 1])
    state = learner.init(KEY, data)._replace(params=rbm)
    after, _ = learner.update(state, data, KEY)
    keys = example_keys(KEY, 6)
    direction = contrastive_divergence(rbm, data["x"], data["weight"], keys, 2)
    close(after.params, jax.tree.map(lambda p, d: p + 0.1 * d / 5, rbm, direction))


def test_padding_counts_for_nothing(rbm):
    learner = machine()
    state = learner.init(KEY, batch())._replace(params=rbm)
    padded, short = batch(weight=[1, 1, 1, 1, 0, 0]), {n: a[:4] for n, a in batch().items()}
    close(learner.update(state, padded, KEY), learner.update(state, short, KEY))
    close(learner.evaluate(state, padded, KEY), learner.evaluate(state, short, KEY))


def test_two_devices_equal_one(rbm):
    learner, whole = machine(), batch(weight=[1, 1, 1, 1, 0, 0])
    state = learner.init(KEY, whole)._replace(params=rbm)
    update = jax.shard_map(
        lambda batch: learner.update(state, batch, KEY)[0],
        mesh=Mesh(np.array(jax.devices()[:2]), AXIS),
        in_specs=PartitionSpec(AXIS),
        out_specs=PartitionSpec(),
        check_vma=False,
    )
    close(jax.jit(update)(whole), learner.update(state, whole, KEY)[0])


def test_the_pseudo_likelihood_is_estimated_without_bias(rbm):
    learner, v, all_states = machine(), states(VISIBLE)[5], jnp.asarray(states(VISIBLE))
    energy = dict(zip(map(tuple, states(VISIBLE)), free_energy(rbm, all_states), strict=True))
    exact = 0.0
    for i in range(VISIBLE):
        flipped = v.copy()
        flipped[i] = 1 - v[i]
        here, there = np.exp(-energy[tuple(v)]), np.exp(-energy[tuple(flipped)])
        exact += float(np.log(here / (here + there)))
    many = {"x": jnp.tile(v, (20_000, 1)), "weight": jnp.ones(20_000)}
    state = learner.init(KEY, many)._replace(params=rbm)
    found = values(learner.evaluate(state, many, KEY))["pseudo_log_likelihood"]
    np.testing.assert_allclose(found, exact, rtol=0.05)


def test_training_raises_the_likelihood():
    data = batch()["x"].round()
    learner = machine()
    state, seen = learner.init(KEY, batch()), {"x": data, "weight": jnp.ones(len(data))}

    def log_likelihood(rbm):
        log_z = jax.nn.logsumexp(-free_energy(rbm, jnp.asarray(states(VISIBLE))))
        return float((-free_energy(rbm, data) - log_z).mean())

    before, update = log_likelihood(state.params), jax.jit(learner.update)
    for step in range(200):
        state, _ = update(state, seen, jax.random.fold_in(KEY, step))
    assert log_likelihood(state.params) > before + 0.3
