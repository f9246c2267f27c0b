"""Gaussian smoothing: brightness stays, detail goes, by rows and columns as in full."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.convolutional.gaussian_smoothing.kernels import (
    gaussian,
    smooth,
    smooth_separable,
    total_variation,
)

X = jax.random.uniform(jax.random.key(0), (2, 12, 9, 3))


@pytest.mark.parametrize("sigma", [1e-3, 0.7, 2.0, 1e3])
def test_the_kernel_is_the_formulas(sigma):
    x = np.arange(-3, 4)
    weights = np.exp(-(x[:, None] ** 2 + x**2) / (2 * sigma**2))
    np.testing.assert_allclose(gaussian(sigma, 3), weights / weights.sum(), atol=1e-7)
    assert float(gaussian(sigma, 3).sum()) == pytest.approx(1, abs=1e-6)


def test_rows_and_columns_do_what_the_full_kernel_does():
    sigmas = jnp.array([0.5, 1.5])
    full = jax.jit(jax.vmap(lambda s: smooth(X, gaussian(s, 2))))(sigmas)
    apart = jax.jit(jax.vmap(lambda s: smooth_separable(X, gaussian(s, 2, axes=1))))(sigmas)
    np.testing.assert_allclose(apart, full, atol=1e-6)


def test_smoothing_is_a_convolution_of_each_channel():
    from scipy.ndimage import convolve

    kernel = gaussian(1.2, 2)
    expected = convolve(np.asarray(X), np.asarray(kernel)[None, :, :, None], mode="constant")
    np.testing.assert_allclose(jax.jit(smooth)(X, kernel), expected, atol=1e-6)


def test_the_flat_stays_flat_and_the_rest_gets_flatter():
    @jax.jit
    def both(sigma):
        inside = jnp.zeros((2, 16, 13, 3)).at[:, 2:14, 2:11].set(X)
        flat = smooth(jnp.full((1, 9, 9, 1), 0.5), gaussian(sigma, 2))
        return flat[:, 2:-2, 2:-2], total_variation(smooth(inside, gaussian(sigma, 2)))

    flat, left = zip(*map(both, (1e-3, 0.5, 1.0)), strict=True)
    np.testing.assert_allclose(flat, 0.5, atol=1e-6)
    assert (np.diff(left, axis=0) < 0).all()


def test_total_variation_of_a_step():
    step = jnp.zeros((1, 4, 5, 1)).at[:, :, 3:].set(2.0)
    assert total_variation(step).tolist() == [8.0]
