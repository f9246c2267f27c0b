"""PCA against scikit-learn's, and what makes its projections and Wiener's filter the best."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from dlfun.algorithms.principal_components import (
    principal_angles,
    principal_components,
    project,
    projection_error,
    wiener,
)

RNG = np.random.default_rng(0)
X = (RNG.normal(size=(400, 6)) * [4, 3, 2, 1, 0.5, 0.1] @ RNG.normal(size=(6, 6))).astype(
    np.float32
)


@pytest.mark.parametrize("count", [1, 3, 6])
def test_projections_equal_scikit_learns(count):
    reference = PCA(count, svd_solver="full").fit(X)
    expected = reference.inverse_transform(reference.transform(X))
    pca = principal_components(X)
    np.testing.assert_allclose(project(pca, X, count), expected, atol=1e-3)
    left_out = pca.variances[count:].sum()
    np.testing.assert_allclose(projection_error(pca, X, count), left_out, rtol=1e-4, atol=1e-4)


def test_angles_of_planes():
    e = np.eye(4)
    turned = np.stack([e[0], np.cos(0.3) * e[1] + np.sin(0.3) * e[2]], axis=1)
    np.testing.assert_allclose(principal_angles(e[:, :2], turned), [0, np.degrees(0.3)], atol=1e-6)
    other_axes = e[:, :2] @ np.array([[2.0, 1.0], [-3.0, 5.0]])
    np.testing.assert_allclose(principal_angles(e[:, :2], other_axes), [0, 0], atol=1e-6)
    np.testing.assert_allclose(principal_angles(e[:, :2], e[:, 2:]), [90, 90])


def test_wieners_filter_is_the_least_squares_map():
    noise, many = 2.0, np.tile(X, (500, 1)).astype(np.float64)
    noisy = many + RNG.normal(scale=noise, size=many.shape)
    with_one = np.concatenate([noisy, np.ones((len(noisy), 1))], axis=1)
    best = with_one @ np.linalg.lstsq(with_one, many)[0]
    pca = principal_components(X)
    filtered = wiener(pca, noisy, noise)
    np.testing.assert_allclose(filtered, best, atol=0.1)
    errors = [projection_error(pca, noisy, count, many) for count in range(1, 7)]
    assert np.square(filtered - many).sum(axis=1).mean() < min(errors)
