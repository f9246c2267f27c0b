"""Measured variances: those of a network by hand, of any scale, and of the theory."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dlfun.metrics import values
from dlfun.nn import losses
from experiments.foundations.initialization_variance.propagation import (
    log_variance,
    propagation,
    variances,
)

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("scale", [1.0, 1e-25, 1e25])
def test_log_variance_beyond_the_range_of_squares(scale):
    x = RNG.normal(size=(4, 50))
    expected = np.log10(np.var(x, axis=1)) + 2 * np.log10(scale)
    found = log_variance(jnp.asarray(x * scale, jnp.float32))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_variances_equal_those_of_a_network_layer_by_layer():
    w = {
        "first": jnp.asarray(RNG.normal(size=(3, 5)), jnp.float32),
        "hidden": jnp.asarray(RNG.normal(size=(2, 5, 5)), jnp.float32),
        "last": jnp.asarray(RNG.normal(size=(5, 4)), jnp.float32),
    }
    x, label = jnp.asarray(RNG.normal(size=(6, 3)), jnp.float32), jnp.arange(6) % 4
    loss, forward, backward = variances(w, jnp.tanh, x, label)
    layers = [w["first"], *w["hidden"]]

    def from_layer(z, start):
        """The losses, from the sums z of layer `start` on; and that layer's activations."""
        h = own = jnp.tanh(z)
        for kernel in layers[start + 1 :]:
            h = jnp.tanh(h @ kernel)
        return losses.cross_entropy(h @ w["last"], label).sum(), own

    h = x
    for number, kernel in enumerate(layers):
        z = h @ kernel
        (total, h), gradient = jax.value_and_grad(from_layer, has_aux=True)(z, number)
        np.testing.assert_allclose(total, loss.sum(), rtol=1e-5)
        np.testing.assert_allclose(forward[number], np.log10(np.var(h, axis=1)), atol=1e-4)
        np.testing.assert_allclose(backward[number], np.log10(np.var(gradient, axis=1)), atol=1e-3)


def test_glorot_halves_under_relu_and_he_keeps():
    learner = propagation(["glorot", "he"], ["relu"], 20, 400, 10, lambda x: x)
    batch = {
        "image": jnp.asarray(RNG.normal(size=(20, 30)), jnp.float32),
        "label": jnp.arange(20) % 10,
        "weight": jnp.ones(20),
    }
    state = learner.init(jax.random.key(0), batch)
    after, metrics = learner.update(state, batch, jax.random.key(0))
    assert after is state
    found = values(metrics)
    assert found["glorot_relu_activations"] == pytest.approx(-19 * np.log10(2), abs=0.7)
    assert found["he_relu_activations"] == pytest.approx(0, abs=0.7)
    assert len(found["he_relu_forward"]) == len(found["he_relu_backward"]) == 20


def test_padding_counts_for_nothing():
    learner = propagation(["he"], ["tanh"], 3, 8, 10, lambda x: x)
    image, label = jnp.asarray(RNG.normal(size=(4, 5)), jnp.float32), jnp.arange(4)
    batch = {"image": image, "label": label, "weight": jnp.array([1.0, 1.0, 0.0, 0.0])}
    short = {"image": image[:2], "label": label[:2], "weight": jnp.ones(2)}
    state = learner.init(jax.random.key(0), short)
    padded, alone = (values(learner.evaluate(state, b, jax.random.key(0))) for b in (batch, short))
    for name, value in alone.items():
        np.testing.assert_allclose(padded[name], value, rtol=1e-5, atol=1e-5)
