"""Principal component analysis: the linear baseline of codes and of denoising.

It is computed on the host in float64, from the covariance of the training examples.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float


class PrincipalComponents(NamedTuple):
    """All components of a set of examples, that of the largest variance first."""

    mean: Float[np.ndarray, " features"]
    axes: Float[np.ndarray, "features features"]
    """Orthonormal columns."""
    variances: Float[np.ndarray, " features"]
    """Variance along each column, of the population (divided by n)."""


def principal_components(x: Float[np.ndarray, "n features"]) -> PrincipalComponents:
    """Eigenvectors and eigenvalues of the covariance of the rows of x."""
    mean = x.mean(axis=0, dtype=np.float64)
    covariance = np.cov(x, rowvar=False, bias=True, dtype=np.float64).reshape(2 * mean.shape)
    variances, axes = np.linalg.eigh(covariance)
    return PrincipalComponents(mean, axes[:, ::-1], np.maximum(variances[::-1], 0))


def project(
    pca: PrincipalComponents, x: Float[np.ndarray, "n features"], count: int
) -> Float[np.ndarray, "n features"]:
    """The points nearest to the rows of x in the plane of the first `count` components.

    Of all linear codes of `count` numbers, this has the least squared error on the examples that
    the components are of (Baldi, Hornik 1989).
    """
    axes = pca.axes[:, :count]
    return pca.mean + (x - pca.mean) @ axes @ axes.T


def projection_error(
    pca: PrincipalComponents,
    x: Float[np.ndarray, "n features"],
    count: int,
    target: Float[np.ndarray, "n features"] | None = None,
) -> float:
    """Squared distance between `project`(x) and the target, x by default, mean over rows."""
    return float(
        np.square(project(pca, x, count) - (x if target is None else target)).sum(axis=1).mean()
    )


def wiener(
    pca: PrincipalComponents, x: Float[np.ndarray, "n features"], noise: float
) -> Float[np.ndarray, "n features"]:
    """The linear map of least squared error from rows with noise to those without.

    Noise of standard deviation `noise` is independent in each feature: along an axis of variance λ
    the deviation from the mean shrinks by λ / (λ + noise²).
    """
    shrink = pca.variances / (pca.variances + noise**2)
    return pca.mean + ((x - pca.mean) @ pca.axes * shrink) @ pca.axes.T


def principal_angles(
    a: Float[np.ndarray, "features k"], b: Float[np.ndarray, "features k"]
) -> Float[np.ndarray, " k"]:
    """Angles between the spans of the columns of a and of b, in degrees, the smallest first.

    Their cosines are the singular values of QᵀR for orthonormal bases Q and R (Björck, Golub 1973);
    angles that are near 0 come from the sines instead, which rounding does not hide.
    """
    q, r = (np.linalg.qr(columns.astype(np.float64))[0] for columns in (a, b))
    cosines = np.linalg.svd(q.T @ r, compute_uv=False)
    sines = np.linalg.svd(r - q @ (q.T @ r), compute_uv=False)[::-1]
    return np.degrees(np.arctan2(sines, cosines))
