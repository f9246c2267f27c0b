"""Recall is that of a loop over spins, lowers the energy, and stored patterns are at rest."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dlfun.algorithms.hopfield import (
    RULES,
    check_independent,
    energies,
    energy,
    fields,
    hebb,
    hopfield,
    overlap,
    pseudo_inverse,
    recall,
    synchronous,
    turn_all,
)
from dlfun.errors import UserError
from experiments.energy.hopfield_capacity.drawing import theory

rest = jax.jit(recall)
descent = jax.jit(energies, static_argnames="flips")
alternate = jax.jit(synchronous, static_argnames="updates")


def random_spins(seed, rows, spins):
    return np.random.default_rng(seed).choice(np.float32([-1, 1]), (rows, spins))


def random_weights(seed, spins):
    """Symmetric integers, so that sums are exact, with a diagonal that must not matter."""
    half = np.random.default_rng(seed).integers(-5, 6, (spins, spins))
    return (half + half.T).astype(np.float32)


def store(rule, patterns):
    size = patterns.shape[1]
    return rule(jnp.zeros((size, size)), jnp.asarray(patterns), jnp.ones(len(patterns)))


def sweeps_until_rest(weights, spins):
    """The asynchronous dynamics by its definition."""
    w, s, flips = weights - np.diag(np.diag(weights)), spins.copy(), 0
    changed = True
    while changed:
        changed = False
        for i in range(len(s)):
            if s[i] * (w[i] @ s) < 0:
                s[i], changed, flips = -s[i], True, flips + 1
    return s, flips


@pytest.mark.parametrize("seed", range(3))
def test_recall_is_the_loop_over_spins(seed):
    weights, start = random_weights(seed, 37), random_spins(seed, 5, 37)
    found, flips = rest(jnp.asarray(weights), jnp.asarray(start))
    for row, (end, count) in enumerate(zip(found, flips, strict=True)):
        expected, steps = sweeps_until_rest(weights, start[row])
        np.testing.assert_array_equal(end, expected)
        assert count == steps
        np.testing.assert_array_equal(turn_all(jnp.asarray(weights), end[None])[0], end)


@pytest.mark.parametrize("seed", range(5))
def test_energy_never_rises_and_ends_at_that_of_the_rest(seed):
    weights, start = jnp.asarray(random_weights(seed, 30)), jnp.asarray(random_spins(seed, 1, 30))
    path = np.asarray(descent(weights, start[0], flips=200))
    end, flips = rest(weights, start)
    assert (np.diff(path)[: int(flips[0])] < 0).all()
    assert (path[int(flips[0]) :] == path[-1]).all()
    assert path[0] == energy(weights, start)[0]
    assert path[-1] == energy(weights, end)[0]


def test_energy_is_half_the_sum_over_pairs():
    weights, spins = random_weights(0, 6), random_spins(0, 1, 6)
    pairs = sum(weights[i, j] * spins[0, i] * spins[0, j] for i in range(6) for j in range(i))
    assert energy(jnp.asarray(weights), jnp.asarray(spins))[0] == -pairs


def test_synchronous_updates_may_cycle_with_period_two_where_asynchronous_ones_rest():
    """Two spins that want to be equal, and are not, both turn over in every step."""
    weights, start = jnp.ones((2, 2)), jnp.asarray([[1.0, -1.0]])
    a, b, c = alternate(weights, start, updates=10)
    np.testing.assert_array_equal(b, -a)
    np.testing.assert_array_equal(c, a)
    np.testing.assert_array_equal(abs(rest(weights, start)[0].sum()), 2)


def test_synchronous_updates_have_no_longer_cycle():
    ends = [
        alternate(
            *map(jnp.asarray, (random_weights(seed, 40), random_spins(seed, 8, 40))), updates=300
        )
        for seed in range(5)
    ]
    for first, _, third in ends:
        np.testing.assert_array_equal(first, third)
    assert any((first != second).any() for first, second, _ in ends)


def test_hebb_is_the_sum_of_outer_products():
    patterns = random_spins(0, 4, 20)
    np.testing.assert_array_equal(store(hebb, patterns), patterns.T @ patterns)


@pytest.mark.parametrize("parts", [1, 4])
def test_pseudo_inverse_projects_on_the_patterns(parts):
    """Also stored part by part, with padding, and twice: half as many patterns as spins."""
    patterns = random_spins(1, 20, 40)
    weights = jnp.zeros((40, 40))
    for part in (*np.split(patterns, parts), patterns[:5]):
        padded = jnp.asarray(np.concatenate([part, np.ones((2, 40), np.float32)]))
        weights = pseudo_inverse(
            weights, padded, (jnp.arange(len(padded)) < len(part)).astype(jnp.float32)
        )
    expected = np.linalg.pinv(patterns) @ patterns
    np.testing.assert_allclose(weights, expected, atol=2e-4)
    assert (fields(weights, jnp.asarray(patterns)) * patterns > 0).all()


@pytest.mark.parametrize("rule", RULES)
def test_few_random_patterns_come_back_from_wrong_spins(rule):
    patterns = random_spins(2, 5, 200)
    cues = patterns * np.where(np.random.default_rng(3).random(patterns.shape) < 0.15, -1, 1)
    batch = {"x": patterns, "cue": cues.astype(np.float32), "weight": np.ones(5, np.float32)}
    batch = {name: jnp.asarray(column) for name, column in batch.items()}
    learner, key = hopfield(RULES[rule]), jax.random.key(0)
    weights, measured = learner.update(learner.init(key, batch), batch, key)
    assert measured["loss"].total == 0
    measured = learner.evaluate(weights, batch, key)
    assert measured["accuracy"].total == measured["overlap"].total == 5
    np.testing.assert_array_equal(overlap(learner.predict(weights, batch), batch["x"]), 1)


def test_dependent_patterns_are_refused_in_one_line():
    with pytest.raises(UserError, match="41 patterns of 40 spins: .* at most 40"):
        check_independent(random_spins(0, 41, 40))
    with pytest.raises(UserError, match="only 3 of 4 patterns are linearly independent"):
        check_independent(random_spins(0, 4, 40)[[0, 1, 2, 2]])
    check_independent(random_spins(0, 20, 40))


def test_theory_has_the_overlaps_of_amit_gutfreund_and_sompolinsky():
    loads, overlaps = theory()
    assert 0.137 < loads[-1] < 0.1385
    at = np.interp([0.05, 0.08, 0.1, 0.12, 0.13], loads, overlaps)
    np.testing.assert_allclose(at, [0.99999, 0.99956, 0.998, 0.99322, 0.98721], atol=2e-5)


def test_weights_that_were_not_found_are_not_called_right():
    x = jnp.asarray(np.random.default_rng(0).choice([-1.0, 1.0], (8, 6)), jnp.float32)
    batch = {"x": x, "cue": x, "weight": jnp.ones(8)}
    learner, key = hopfield(pseudo_inverse), jax.random.key(0)
    state, measured = jax.jit(learner.update)(learner.init(key, batch), batch, key)
    assert np.isnan(measured["loss"].total)
    assert np.isnan(jax.jit(learner.evaluate)(state, batch, key)["loss"].total)


def test_patterns_that_are_not_finite_are_refused_in_one_line():
    with pytest.raises(UserError, match="not finite"):
        check_independent(np.full((2, 3), np.nan))
