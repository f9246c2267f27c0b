"""Activations: the range of their values, their derivatives, where they saturate."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlfun.nn.activations import ACTIVATIONS, elu, leaky_relu, sigmoid, softmax, tanh

X = jnp.asarray([-1e4, -90.0, -5.0, -1.0, -1e-3, 1e-3, 1.0, 5.0, 90.0, 1e4])
JACOBIAN = jax.jit(jax.jacobian(softmax))
# XLA computes with subnormal numbers as zero, and Hypothesis refuses to draw them on such a thread.
LOGITS = st.lists(st.floats(-50, 50, width=32, allow_subnormal=False), min_size=2, max_size=6)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_values_lie_in_the_range(name):
    activation = ACTIVATIONS[name]
    y = activation.function(X)
    assert bool(jnp.isfinite(y).all())
    assert bool(((y >= activation.low) & (y <= activation.high)).all())
    assert bool((jnp.diff(y) >= 0).all())


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_written_derivative_is_the_gradient(name):
    activation = ACTIVATIONS[name]
    found = jax.vmap(jax.grad(activation.function))(X)
    written = activation.derivative(X, activation.function(X))
    np.testing.assert_allclose(found, written, atol=1e-6)


def test_saturation():
    slope = {n: jax.vmap(jax.grad(a.function))(jnp.asarray([-8.0, 0.0, 8.0])) for n, a in
             ACTIVATIONS.items()}  # fmt: skip
    for name, low, high in (("sigmoid", 1e-3, 1e-3), ("tanh", 1e-3, 1e-3), ("relu", 0, 1)):
        assert float(slope[name][0]) <= low
        assert float(slope[name][2]) <= high
    assert float(slope["sigmoid"][1]) == 0.25
    assert float(slope["tanh"][1]) == 1
    np.testing.assert_allclose(slope["leaky_relu"][0], 0.01, rtol=1e-6)
    assert 0 < float(slope["elu"][0]) < 1e-3


def test_tanh_is_a_stretched_sigmoid():
    np.testing.assert_allclose(tanh(X), 2 * sigmoid(2 * X) - 1, atol=1e-6)


def test_slopes_may_be_traced():
    slopes = jnp.asarray([0.01, 0.3])
    np.testing.assert_allclose(jax.vmap(lambda a: leaky_relu(X, a))(slopes)[1], leaky_relu(X, 0.3))
    np.testing.assert_allclose(jax.vmap(lambda a: elu(X, a))(slopes)[1], elu(X, 0.3))


@settings(deadline=None, max_examples=30)
@given(LOGITS, st.floats(-20, 20, width=32, allow_subnormal=False))
def test_softmax_is_a_distribution_that_a_shift_leaves(logits, shift):
    x = jnp.asarray(logits, jnp.float32)
    p = softmax(x)
    np.testing.assert_allclose(p.sum(), 1, rtol=1e-5)
    np.testing.assert_allclose(p, softmax(x + shift), atol=2e-5)
    # Of one length, so that it is compiled once.
    jacobian = JACOBIAN(jnp.pad(x, (0, 6 - len(x)), constant_values=-jnp.inf))
    written = jnp.diag(p) - jnp.outer(p, p)
    np.testing.assert_allclose(jacobian[: len(x), : len(x)], written, atol=1e-6)


def test_softmax_of_two_is_the_sigmoid_of_the_difference():
    np.testing.assert_allclose(softmax(jnp.asarray([3.0, 1.0]))[0], sigmoid(jnp.asarray(2.0)))
