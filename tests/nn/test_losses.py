"""Losses: their gradients and identities."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.test_util import check_grads

from dlfun.nn import losses

KEY = jax.random.key(0)
LOGITS = jax.random.normal(KEY, (5, 4))
LABEL = jnp.asarray([0, 3, 1, 1, 2], jnp.int32)
TARGET = jax.nn.softmax(jax.random.normal(jax.random.fold_in(KEY, 1), (5, 4)))


def test_gradient_of_softmax_cross_entropy_is_p_minus_y():
    gradient = jax.grad(lambda z: losses.cross_entropy(z, LABEL).sum())(LOGITS)
    expected = jax.nn.softmax(LOGITS) - jax.nn.one_hot(LABEL, 4)
    np.testing.assert_allclose(gradient, expected, atol=1e-6)


def test_labels_are_one_hot_distributions():
    one_hot = jax.nn.one_hot(LABEL, 4)
    np.testing.assert_allclose(
        losses.cross_entropy(LOGITS, LABEL),
        losses.cross_entropy_of_distributions(LOGITS, one_hot),
        rtol=1e-6,
    )


def test_cross_entropy_is_entropy_plus_divergence():
    log_p = jax.nn.log_softmax(LOGITS)
    entropy = -(TARGET * jnp.log(TARGET)).sum(axis=1)
    divergence = (TARGET * (jnp.log(TARGET) - log_p)).sum(axis=1)
    found = losses.cross_entropy_of_distributions(LOGITS, TARGET)
    np.testing.assert_allclose(found, entropy + divergence, rtol=1e-5)


def test_binary_cross_entropy_is_two_class_cross_entropy():
    z, t = LOGITS[:, :1], TARGET[:, :1]
    two = jnp.concatenate([z, jnp.zeros_like(z)], axis=1)
    both = jnp.concatenate([t, 1 - t], axis=1)
    np.testing.assert_allclose(
        losses.binary_cross_entropy(z, t),
        losses.cross_entropy_of_distributions(two, both),
        rtol=1e-5,
    )


def test_mse_is_the_mean_square_over_features():
    found = losses.mse(LOGITS.reshape(5, 2, 2), TARGET.reshape(5, 2, 2))
    np.testing.assert_allclose(found, np.mean(np.square(LOGITS - TARGET), axis=1), rtol=1e-6)
    one_hot = jax.nn.one_hot(LABEL, 4)
    expected = np.mean(np.square(jax.nn.softmax(LOGITS) - one_hot), axis=1)
    np.testing.assert_allclose(losses.mse_of_labels(LOGITS, LABEL), expected, rtol=1e-6)


def test_gradients_against_finite_differences():
    with jax.enable_x64(True):
        z, t = (jnp.asarray(np.asarray(a), jnp.float64) for a in (LOGITS, TARGET))
        pairs = [(losses.cross_entropy_of_distributions, t), (losses.binary_cross_entropy, t)]
        pairs += [(losses.mse, t), (losses.cross_entropy, LABEL), (losses.mse_of_labels, LABEL)]
        for loss, target in pairs:
            # check_grads hands over NumPy arrays, which the shape annotations refuse.
            check_grads(lambda z: loss(jnp.asarray(z), target), (z,), order=1, modes=["rev"])  # noqa: B023


# XLA computes with subnormal numbers as zero, and Hypothesis refuses to draw them on such a thread.
DISTRIBUTIONS = st.lists(st.floats(-8, 8, width=32, allow_subnormal=False), min_size=3, max_size=3)


@settings(deadline=None, max_examples=40)
@given(DISTRIBUTIONS, DISTRIBUTIONS)
def test_cross_entropy_is_at_least_the_entropy(z, q):
    logits, target = jnp.asarray([z], jnp.float32), jax.nn.softmax(jnp.asarray([q], jnp.float32))
    divergence = losses.kl_divergence(logits, target)
    assert float(divergence[0]) >= -1e-5
    np.testing.assert_allclose(
        losses.cross_entropy_of_distributions(logits, target),
        losses.entropy(target) + divergence,
        rtol=1e-5,
    )
    own = losses.kl_divergence(jnp.log(target), target)
    np.testing.assert_allclose(own, 0, atol=1e-5)
    gradient = jax.grad(lambda z: losses.cross_entropy_of_distributions(z, target).sum())(logits)
    np.testing.assert_allclose(gradient, jax.nn.softmax(logits) - target, atol=1e-6)


def test_entropy_of_a_certain_and_of_an_even_choice():
    certain, even = jnp.asarray([[1.0, 0.0]]), jnp.asarray([[0.5, 0.5]])
    assert float(losses.entropy(certain)[0]) == 0
    np.testing.assert_allclose(losses.entropy(even), np.log(2), rtol=1e-6)


def test_penalties_and_their_gradients_leave_biases_out():
    params = {"kernel": jnp.asarray([[1.0, -2.0], [0.5, 3.0]]), "bias": jnp.ones(2)}
    assert float(losses.l1_penalty(params)) == 6.5
    assert float(losses.l2_penalty(params)) == 7.125
    slopes = jax.grad(losses.l1_penalty)(params), jax.grad(losses.l2_penalty)(params)
    np.testing.assert_array_equal(slopes[0]["kernel"], jnp.sign(params["kernel"]))
    np.testing.assert_array_equal(slopes[1]["kernel"], params["kernel"])
    assert all(not slope["bias"].any() for slope in slopes)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.7])
def test_smoothed_labels_are_a_mixture_with_the_uniform_class(smoothing):
    logits = jax.random.normal(jax.random.key(0), (6, 5))
    label = jnp.arange(6) % 5
    mixed = (1 - smoothing) * jax.nn.one_hot(label, 5) + smoothing / 5
    smoothed = losses.smoothed_cross_entropy(logits, label, smoothing)
    wanted = losses.cross_entropy_of_distributions(logits, mixed)
    np.testing.assert_allclose(smoothed, wanted, rtol=1e-5)
