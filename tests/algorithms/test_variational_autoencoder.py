"""The variational autoencoder: its two terms, its gradient, bounds by importance sampling."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from dlfun.algorithms.variational_autoencoder import (
    divergence_from_prior,
    importance_bounds,
    variational_autoencoder,
)
from dlfun.nn.models.variational import VariationalAutoencoder
from dlfun.optimizers import Optimizer, make_optimizer
from tests.works import compiled

MODEL = VariationalAutoencoder(6, (8,), 2)
KEY = jax.random.key(0)
X = jax.random.bernoulli(jax.random.key(1), shape=(5, 6)).astype(jnp.float32)
VARIABLES = MODEL.init(KEY, X, jnp.zeros((5, 2)))


def test_divergence_equals_a_mean_over_draws():
    mean, log_variance = jnp.asarray([[0.5, -1.0]]), jnp.asarray([[0.3, -0.7]])
    noise = jax.random.normal(KEY, (400_000, 2))
    code = mean + jnp.exp(log_variance / 2) * noise
    log_ratio = (-jnp.square(noise) - log_variance + jnp.square(code)).sum(axis=1) / 2
    found = divergence_from_prior(mean, log_variance)
    np.testing.assert_allclose(found[0], log_ratio.mean(), rtol=1e-2)
    assert divergence_from_prior(jnp.zeros((1, 2)), jnp.zeros((1, 2)))[0] == 0


def test_bounds_fall_to_the_likelihood():
    """The likelihood by a grid over the plane of the code."""
    axis = np.linspace(-6, 6, 241)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2).astype(np.float32)
    logits = np.asarray(MODEL.apply(VARIABLES, jnp.asarray(grid), method="decode"), np.float64)
    prior = np.exp(-np.square(grid).sum(axis=1) / 2) / (2 * np.pi) * (axis[1] - axis[0]) ** 2
    p = 1 / (1 + np.exp(-logits))
    given = np.stack([np.where(x == 1, p, 1 - p).prod(axis=1) for x in np.asarray(X)])
    exact = -np.log((given * prior).sum(axis=1))
    found = jax.jit(lambda x: importance_bounds(MODEL, VARIABLES, x, KEY, (1, 10, 20_000)))(X)
    one, ten, many = np.asarray(found).mean(axis=1)
    assert one > ten > many
    assert many == pytest.approx(exact.mean(), abs=0.02)


def test_loss_is_the_sum_of_its_parts_and_bounds_the_likelihood():
    learner = compiled(variational_autoencoder(MODEL, make_optimizer(Optimizer(), 1, 1)))
    batch = {"image": jnp.asarray(X * 255, jnp.uint8).reshape(5, 2, 3, 1), "weight": jnp.ones(5)}
    state = learner.init(KEY, batch)
    measured = {
        name: float(m.total / m.count) for name, m in learner.evaluate(state, batch, KEY).items()
    }
    assert measured["loss"] == pytest.approx(
        measured["reconstruction"] + measured["divergence"], rel=1e-5
    )
    bound = importance_bounds(MODEL, state.variables, X, KEY, (500,)).mean()
    assert measured["loss"] > float(bound) - 0.5


def test_gradient_of_the_loss_by_finite_differences():
    with jax.enable_x64(True):
        params = jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf), jnp.float64), VARIABLES)
        x = jnp.asarray(np.asarray(X), jnp.float64)
        noise = jax.random.normal(KEY, (5, 2), jnp.float64)

        def loss(params):
            mean, log_variance, logits = MODEL.apply(params, x, noise)
            reconstruction = jnp.sum(jnp.logaddexp(0, logits) - x * logits, axis=1)
            return (reconstruction + divergence_from_prior(mean, log_variance)).mean()

        check_grads(loss, (params,), order=1, modes=["rev"])
