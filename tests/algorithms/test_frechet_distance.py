"""The Fréchet distance of sets of points."""

import numpy as np
import pytest
from scipy.linalg import sqrtm

from dlfun.algorithms.frechet_distance import frechet_distance


def points(seed, count=400, features=6, rank=6):
    rng = np.random.default_rng(seed)
    return (
        rng.normal(size=(count, rank)) @ rng.normal(size=(rank, features))
        + rng.normal(size=features)
    ).astype(np.float32)


def test_it_is_that_of_the_products_root():
    a, b = points(0), points(1)
    root = sqrtm(np.cov(a, rowvar=False) @ np.cov(b, rowvar=False)).real
    spread = np.trace(np.cov(a, rowvar=False) + np.cov(b, rowvar=False) - 2 * root)
    expected = np.square(a.mean(axis=0) - b.mean(axis=0)).sum() + spread
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-5)
    assert frechet_distance(b, a) == pytest.approx(expected, rel=1e-5)


def test_a_shift_counts_squared_and_no_shift_nothing():
    a = points(2)
    shift = np.array([3, 0, 0, 0, 0, 4], np.float32)
    assert frechet_distance(a, a + shift) == pytest.approx(25, rel=1e-4)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-4)


def test_features_that_depend_on_one_another():
    """Covariances without an inverse, whose roots of rounding errors have to be cut off."""
    a, b = points(3, rank=2), points(4, rank=3)
    assert frechet_distance(a, 2 * a - a.mean(axis=0)) == pytest.approx(
        np.trace(np.cov(a, rowvar=False)), rel=1e-4
    )
    assert np.isfinite(frechet_distance(a, b))
