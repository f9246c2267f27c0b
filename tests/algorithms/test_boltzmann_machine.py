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
    estimated_pseudo_log_likelihood,
    free_energy,
    gibbs,
    pseudo_log_likelihood,
    statistics,
)
from dlfun.algorithms.contrastive_divergence import (
    contrastive_divergence,
    restricted_boltzmann_machine,
)
from dlfun.errors import UserError
from dlfun.learner import AXIS, example_keys
from tests.works import compiled

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
    learner = restricted_boltzmann_machine(HIDDEN, optax.sgd(0.1, momentum=0.9), **options)
    return compiled(learner)


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
    data, repeats = jnp.asarray(states(VISIBLE)[[3, 5, 6, 15]]), 1250

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
    assert distance(20) < error
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


@pytest.mark.parametrize("chains", [0, 4, 5])
def test_two_devices_equal_one(rbm, chains):
    learner, whole = machine(chains=chains), batch(weight=[1, 1, 1, 1, 0, 0])
    state = learner.init(KEY, whole)._replace(params=rbm)
    update = jax.shard_map(
        lambda batch: learner.update(state, batch, KEY)[0],
        mesh=Mesh(np.array(jax.devices()[:2]), AXIS),
        in_specs=PartitionSpec(AXIS),
        out_specs=PartitionSpec(),
        check_vma=False,
    )
    close(jax.jit(update)(whole), learner.update(state, whole, KEY)[0])


def test_the_pseudo_likelihood_sums_over_units_and_is_estimated_without_bias(rbm):
    v, all_states = states(VISIBLE)[5], jnp.asarray(states(VISIBLE))
    energy = dict(zip(map(tuple, states(VISIBLE)), free_energy(rbm, all_states), strict=True))
    expected = 0.0
    for i in range(VISIBLE):
        flipped = v.copy()
        flipped[i] = 1 - v[i]
        here, there = np.exp(-energy[tuple(v)]), np.exp(-energy[tuple(flipped)])
        expected += float(np.log(here / (here + there)))
    exact = pseudo_log_likelihood(rbm, all_states)
    np.testing.assert_allclose(exact[5], expected, rtol=1e-5)
    many = jnp.tile(all_states, (500, 1))
    keys = jax.random.split(KEY, len(many))
    estimates = estimated_pseudo_log_likelihood(rbm, many, keys).reshape(500, -1)
    error = estimates.std(axis=0) / 500**0.5
    assert (abs(estimates.mean(axis=0) - exact) < 5 * error).all()


def test_gaussian_units_have_the_free_energy_and_the_moments_of_their_density(rbm):
    """Summed over h, the model is a mixture of 2³ Gaussians with means a + W h."""
    hidden = states(HIDDEN)
    means = np.asarray(rbm.visible_bias + hidden @ np.asarray(rbm.weights).T)
    shift = np.asarray(rbm.visible_bias)
    share = np.exp(hidden @ np.asarray(rbm.hidden_bias) + ((means**2).sum(1) - shift @ shift) / 2)
    share /= share.sum()
    v = np.random.default_rng(3).normal(size=(5, VISIBLE)).astype(np.float32)
    distance = ((v[:, None] - means) ** 2).sum(axis=2)
    log_p = np.log((share * np.exp(-distance / 2)).sum(axis=1))
    constant = log_p + np.asarray(free_energy(rbm, jnp.asarray(v), "gaussian"))
    np.testing.assert_allclose(constant, constant[0], rtol=1e-4)
    rows = 5_000
    drawn = gibbs(rbm, jnp.zeros((rows, VISIBLE)), jax.random.split(KEY, rows), 20, "gaussian")
    expected = share @ means
    variance = 1 + share @ means**2 - expected**2
    assert (abs(np.asarray(drawn).mean(axis=0) - expected) < 5 * (variance / rows) ** 0.5).all()
    np.testing.assert_allclose(np.asarray(drawn).var(axis=0), variance, rtol=0.1)


def test_persistent_chains_move_whatever_the_batch(rbm):
    """All of them, by k steps from where they stood, and never by a batch without examples."""
    learner = machine(steps=2, chains=5)
    state = learner.init(KEY, batch())._replace(params=rbm)
    assert state.chains.shape == (5, VISIBLE)
    expected = gibbs(rbm, state.chains, jax.random.split(KEY, 5), 2)
    padded, short = batch(weight=[1, 1, 1, 0, 0, 0]), {n: a[:3] for n, a in batch().items()}
    after, _ = learner.update(state, padded, KEY)
    np.testing.assert_array_equal(after.chains, expected)
    close(after, learner.update(state, short, KEY)[0])
    close(learner.update(state, batch(weight=np.zeros(6)), KEY)[0], state, atol=0)


def test_long_chains_forget_where_they_started(rbm):
    """After many steps their mean statistics are the model's, summed over all states."""
    rows = 5_000
    v = jnp.asarray(states(VISIBLE))
    exact = statistics(rbm, v, jax.nn.softmax(-free_energy(rbm, v)))
    drawn = gibbs(rbm, jnp.ones((rows, VISIBLE)), jax.random.split(KEY, rows), 20)
    close(statistics(rbm, drawn, jnp.full(rows, 1 / rows)), exact, atol=5 * 0.5 / rows**0.5)


def test_an_update_equals_that_of_scikit_learn_from_the_same_chains(rbm):
    """BernoulliRBM's is PCD-1; it keeps the hidden units of a chain, from which ours are drawn."""
    neural_network = pytest.importorskip("sklearn.neural_network")

    class Draws:
        def __init__(self, rng):
            self.rng = rng

        def uniform(self, size):
            return self.rng.random(size)

    rows, rng = 6, np.random.default_rng(5)
    theirs = neural_network.BernoulliRBM(HIDDEN, learning_rate=0.1)
    theirs.components_ = np.asarray(rbm.weights, np.float64).T.copy()
    theirs.intercept_visible_ = np.asarray(rbm.visible_bias, np.float64)
    theirs.intercept_hidden_ = np.asarray(rbm.hidden_bias, np.float64)
    theirs.h_samples_ = h = rng.integers(0, 2, (rows, HIDDEN)).astype(float)
    seen = batch()
    p = 1 / (1 + np.exp(-(h @ theirs.components_ + theirs.intercept_visible_)))
    negative = jnp.asarray(np.random.default_rng(7).random(p.shape) < p, jnp.float32)
    theirs._fit(np.asarray(seen["x"], np.float64), Draws(np.random.default_rng(7)))
    of_data, of_model = (statistics(rbm, v, jnp.ones(rows)) for v in (seen["x"], negative))
    ours = jax.tree.map(lambda p, d, m: p + 0.1 * (d - m) / rows, rbm, of_data, of_model)
    close(ours, RBM(theirs.components_.T, theirs.intercept_visible_, theirs.intercept_hidden_))

    binary = states(VISIBLE)
    trained = RBM(*(jnp.asarray(part, jnp.float32) for part in ours))
    scores = np.mean([theirs.score_samples(binary) for _ in range(500)], axis=0)
    exact = pseudo_log_likelihood(trained, jnp.asarray(binary))
    np.testing.assert_allclose(scores, exact, rtol=0.15)


def test_bad_input_is_one_line(rbm):
    with pytest.raises(UserError, match="at least 1 Gibbs step, got 0"):
        machine(steps=0)
    learner = machine()
    state = learner.init(KEY, batch())
    wide = {"x": jnp.zeros((6, 9)), "weight": jnp.ones(6)}
    for function in (learner.update, learner.evaluate):
        with pytest.raises(UserError, match="4 visible units, the data 9 values each"):
            function(state, wide, KEY)


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


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"hidden": 0}, "at least 1 hidden unit, got 0"),
        ({"chains": -1}, "expected 0 persistent chains or more, got -1"),
    ],
)
def test_a_machine_that_is_none_is_refused_in_one_line(options, words):
    with pytest.raises(UserError, match=words):
        restricted_boltzmann_machine(**{"hidden": 2, "optimizer": optax.sgd(0.1)} | options)
