import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dlfun.nn.layers.dropout import Dropout, dropout

X = jnp.linspace(1, 2, 40_000).reshape(100, 400)


def test_the_kept_are_scaled_so_that_the_mean_stays():
    y = np.asarray(dropout(jax.random.key(0), X, 0.3))
    np.testing.assert_allclose(y[y != 0], (np.asarray(X) / 0.7)[y != 0], rtol=1e-6)
    assert np.mean(y == 0) == pytest.approx(0.3, abs=0.01)
    assert y.mean() == pytest.approx(float(X.mean()), rel=0.01)


def test_the_gradient_is_the_mask():
    y, back = jax.vjp(lambda x: dropout(jax.random.key(0), x, 0.5), X)
    np.testing.assert_array_equal(back(jnp.ones_like(y))[0], jnp.where(y != 0, 2.0, 0.0))


def test_a_traced_rate_is_that_rate_and_zero_the_identity():
    rates = jnp.array([0.0, 0.5])
    found = jax.jit(jax.vmap(lambda rate: dropout(jax.random.key(1), X, rate)))(rates)
    np.testing.assert_array_equal(found[0], X)
    np.testing.assert_array_equal(found[1], dropout(jax.random.key(1), X, 0.5))


def test_only_training_drops():
    layer = Dropout(0.5)
    np.testing.assert_array_equal(layer.apply({}, X), X)
    keys = [{"dropout": jax.random.key(seed)} for seed in (0, 0, 1)]
    first, again, other = (layer.apply({}, X, jnp.ones(100), rngs=rngs) for rngs in keys)
    np.testing.assert_array_equal(first, again)
    assert np.mean(first != other) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_a_rate_that_is_none_is_refused(rate):
    with pytest.raises(ValueError, match="a rate is at least 0 and less than 1"):
        Dropout(rate).apply({}, X)


def test_the_draws_are_those_of_an_array_of_its_shape():
    key, x = jax.random.key(0), jnp.ones((2, 3, 4, 5))
    expected = jnp.where(jax.random.bernoulli(key, 0.75, x.shape), x / 0.75, 0)
    np.testing.assert_array_equal(dropout(key, x, 0.25), expected)
