"""Annealed importance sampling against sums over all states."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dlfun.algorithms.annealed_importance_sampling import (
    inverse_temperatures,
    log_partition_function,
)
from dlfun.algorithms.boltzmann_machine import RBM, free_energy
from dlfun.errors import UserError
from experiments.energy.rbm_likelihood.enumeration import exact_log_partition_function

VISIBLE, RUNS = 6, 400
KEY = jax.random.key(0)


def machine(hidden, scale=1.0):
    rng = np.random.default_rng(hidden)
    shapes = (VISIBLE, hidden), (VISIBLE,), (hidden,)
    return RBM(*(jnp.asarray(rng.normal(scale=scale, size=s), jnp.float32) for s in shapes))


@pytest.mark.parametrize("hidden", [1, 3, 12])
def test_enumeration_over_hidden_states_equals_that_over_visible_ones(hidden):
    rbm = machine(hidden)
    v = jnp.asarray(list(itertools.product([0.0, 1.0], repeat=VISIBLE)), jnp.float32)
    expected = jax.nn.logsumexp(-free_energy(rbm, v))
    np.testing.assert_allclose(exact_log_partition_function(rbm), expected, rtol=1e-5)


def test_more_than_20_hidden_units_are_refused():
    with pytest.raises(UserError, match="at most 20 hidden units, got 21"):
        exact_log_partition_function(machine(21))


def test_estimates_lie_around_the_exact_value_within_their_error():
    """Over 40 of them the distances in standard errors have a spread near 1 and a mean near 0."""
    rbm, base = machine(5), jnp.linspace(-1, 1, VISIBLE)
    betas = jnp.asarray(inverse_temperatures(30))
    estimate = jax.jit(
        jax.vmap(lambda key: log_partition_function(rbm, base, betas, key, RUNS)[:2])
    )
    log_z, error = map(np.asarray, estimate(jax.random.split(KEY, 40)))
    distances = (log_z - float(exact_log_partition_function(rbm))) / error
    assert abs(distances).max() < 4
    assert abs(distances.mean()) < 4 / 40**0.5
    assert 0.6 < distances.std() < 1.5


def test_a_machine_of_independent_units_is_exact_after_one_step():
    base = jnp.linspace(-2, 2, VISIBLE)
    rbm = RBM(jnp.zeros((VISIBLE, 3)), base, jnp.zeros(3))
    found = log_partition_function(rbm, base, jnp.array([0.0, 1.0]), KEY, 10)
    np.testing.assert_allclose(found.log_z, exact_log_partition_function(rbm), rtol=1e-6)
    assert found.error < 1e-5


def test_inverse_temperatures_rise_from_0_to_1():
    betas = inverse_temperatures(14_501)
    assert betas[0] == 0
    assert betas[-1] == 1
    assert (np.diff(betas) > 0).all()
    np.testing.assert_allclose(betas[[500, 4_500]], [0.5, 0.9], atol=1e-4)


@pytest.mark.parametrize(("temperatures", "runs"), [(1, 2), (2, 1)])
def test_an_estimate_without_an_error_is_refused_in_one_line(temperatures, runs):
    rbm = RBM(jnp.zeros((2, 2)), jnp.zeros(2), jnp.zeros(2))
    betas = jnp.asarray(inverse_temperatures(temperatures))
    with pytest.raises(UserError, match=f"2 runs, got {temperatures} and {runs}"):
        log_partition_function(rbm, jnp.zeros(2), betas, jax.random.key(0), runs)
