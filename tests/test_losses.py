"""Losses: their gradients and identities."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.test_util import check_grads

from dlfun import losses

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
