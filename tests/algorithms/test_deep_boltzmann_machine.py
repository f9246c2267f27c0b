"""The deep Boltzmann machine against sums over all states."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from dlfun.algorithms.boltzmann_machine import gibbs, hidden_probabilities
from dlfun.algorithms.deep_boltzmann_machine import (
    DBM,
    as_restricted,
    deep_boltzmann_machine,
    lower_bound,
    uncentred,
)
from dlfun.errors import UserError
from experiments.energy.rbm_likelihood.enumeration import exact_log_partition_function

SIZES = VISIBLE, MIDDLE, TOP = 4, 3, 2
KEY = jax.random.key(0)
OFFSET = jnp.array([0.2, 0.5, 0.7, 0.4])


def states(units):
    return np.array(list(itertools.product([0, 1], repeat=units)), np.float32)


def machine(scale=0.7):
    rng = np.random.default_rng(1)
    shapes = (VISIBLE, MIDDLE), (MIDDLE, TOP), (VISIBLE,), (MIDDLE,), (TOP,)
    return DBM(*(jnp.asarray(rng.normal(scale=scale, size=s), jnp.float32) for s in shapes))


def exponents(dbm, visible_offset=0.0, offset=0.0):
    """−E of every state, [visible, hidden, top states]."""
    w, u, a, b, c = (np.asarray(part, np.float64) for part in dbm)
    v, h, g = map(states, SIZES)
    lower = (v - visible_offset) @ w @ (h - offset).T
    upper = (h - offset) @ u @ (g - offset).T
    biases = (v @ a)[:, None, None] + (h @ b)[None, :, None] + (g @ c)[None, None, :]
    return lower[:, :, None] + upper[None] + biases


def log_sum(x, axis=None):
    return np.log(np.exp(x).sum(axis=axis))


def test_its_log_z_is_that_of_the_restricted_machine():
    dbm = machine()
    log_z = exact_log_partition_function(as_restricted(dbm))
    np.testing.assert_allclose(log_z, log_sum(exponents(dbm)), rtol=1e-5)


def test_the_centred_machine_is_the_same_distribution():
    params = machine()
    centred = exponents(params, np.asarray(OFFSET), 0.5)
    usual = exponents(uncentred(params, OFFSET))
    np.testing.assert_allclose(centred - centred[0, 0, 0], usual - usual[0, 0, 0], atol=1e-5)


@pytest.mark.parametrize("coupling", [0.0, 1.0])
def test_the_lower_bound_is_below_and_equal_without_an_upper_layer(coupling):
    dbm = machine()
    dbm = dbm._replace(upper=coupling * dbm.upper)
    log_z = log_sum(exponents(dbm))
    exact = log_sum(exponents(dbm), (1, 2)) - log_z
    bound = lower_bound(dbm, jnp.asarray(states(VISIBLE)), jnp.float32(log_z), 50)
    gap = exact - np.asarray(bound)
    assert (gap > -1e-5).all()
    assert (gap < (0.3 if coupling else 1e-5)).all()


def test_an_update_follows_the_likelihood_where_mean_field_is_exact():
    """Without an upper layer the expected update is the gradient of the mean log-likelihood."""
    rows = 5_000
    learner = deep_boltzmann_machine(
        (MIDDLE, TOP), optax.sgd(1.0), OFFSET, steps=20, chains=rows, mean_field_steps=3
    )
    params = machine()
    params = params._replace(upper=0 * params.upper)
    data = jnp.asarray(states(VISIBLE)[[3, 5, 6]])
    batch = {"x": data, "weight": jnp.array([1.0, 1.0, 0.0])}
    state = learner.init(KEY, batch)._replace(params=params)
    after, _ = jax.jit(learner.update)(state, batch, KEY)

    def log_likelihood(params):
        dbm = uncentred(params, OFFSET)
        rbm = as_restricted(dbm)
        h = jnp.asarray(states(MIDDLE))
        up = data[:2] @ dbm.lower + dbm.hidden_bias
        of_top = jax.nn.softplus(dbm.top_bias + h @ dbm.upper).sum(axis=1)
        joint = (data[:2] @ dbm.visible_bias)[:, None] + up @ h.T + of_top
        log_z = jax.nn.logsumexp(
            h @ rbm.visible_bias + jax.nn.softplus(rbm.hidden_bias + h @ rbm.weights).sum(axis=1)
        )
        return jax.nn.logsumexp(joint, axis=1).mean() - log_z

    for new, old, slope in zip(after.params, params, jax.grad(log_likelihood)(params), strict=True):
        np.testing.assert_allclose(new - old, slope, atol=5 * 0.5 / rows**0.5)


def test_chains_move_whatever_the_batch():
    learner = deep_boltzmann_machine((MIDDLE, TOP), optax.sgd(0.1), OFFSET, steps=2, chains=5)
    x = jnp.asarray(states(VISIBLE))[:4]
    state = learner.init(KEY, {"x": x, "weight": jnp.ones(4)})
    rbm = as_restricted(uncentred(state.params, OFFSET))
    expected = gibbs(rbm, state.chains, jax.random.split(KEY, 5), 2)
    for weight in ([1, 1, 1, 1], [1, 0, 0, 0]):
        batch = {"x": x, "weight": jnp.asarray(weight, jnp.float32)}
        after, _ = learner.update(state, batch, KEY)
        np.testing.assert_array_equal(after.chains, expected)
    assert hidden_probabilities(rbm, expected).shape == (5, VISIBLE + TOP)


@pytest.mark.parametrize("name", ["steps", "chains", "mean_field_steps"])
def test_bad_input_is_one_line(name):
    with pytest.raises(UserError, match="at least 1 .*, got 0"):
        deep_boltzmann_machine((MIDDLE, TOP), optax.sgd(0.1), OFFSET, **{name: 0})
    learner = deep_boltzmann_machine((MIDDLE, TOP), optax.sgd(0.1), OFFSET)
    with pytest.raises(UserError, match="4 visible units, the data 9 values each"):
        learner.init(KEY, {"x": jnp.zeros((2, 9)), "weight": jnp.ones(2)})
