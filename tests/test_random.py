"""Draws equal those of jax.random."""

import jax
import numpy as np
import pytest

from dlfun.random import bernoulli


@pytest.mark.parametrize("impl", ["threefry2x32", "rbg"])
@pytest.mark.parametrize("shape", [(), (0,), (1,), (7,), (3, 5, 11), (70_001,)])
def test_bernoulli_draws_as_jax(impl, shape):
    key = jax.random.fold_in(jax.random.key(3, impl=impl), 1)
    for p in (0.3, jax.random.uniform(jax.random.key(4), shape)):
        expected = jax.random.bernoulli(key, p, shape)
        np.testing.assert_array_equal(bernoulli(key, p, shape), expected)


def test_bernoulli_draws_as_jax_under_mapped_keys_and_probabilities():
    keys, p = jax.random.split(jax.random.key(3), 4), np.linspace(0, 1, 4).astype(np.float32)
    draws = jax.vmap(lambda key, p: bernoulli(key, p, (50, 2)))(keys, p)
    expected = [
        jax.random.bernoulli(k, q, (100,)).reshape(50, 2) for k, q in zip(keys, p, strict=True)
    ]
    np.testing.assert_array_equal(draws, expected)
    assert draws.mean(axis=(1, 2)).tolist()[:: len(p) - 1] == [0, 1]
