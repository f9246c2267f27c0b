"""The Fréchet distance of two sets of points, each taken for a Gaussian."""

import numpy as np
from jaxtyping import Float


def frechet_distance(
    a: Float[np.ndarray, "n features"], b: Float[np.ndarray, "m features"]
) -> float:
    """‖μ₁ − μ₂‖² + tr(Σ₁ + Σ₂ − 2 (Σ₁^½ Σ₂ Σ₁^½)^½) of the points' means and covariances.

    The squared Wasserstein-2 distance of two Gaussians (Dowson, Landau 1982), which of the features
    of images Heusel et al. (2017) took to judge a generator. Both roots are of symmetric matrices,
    by eigenvalues: so the result is real, where that of √(Σ₁Σ₂) may not be. Computed in float64. It
    is larger for fewer points: compare distances of sets of the same sizes.
    """
    (mean_a, covariance_a), (mean_b, covariance_b) = map(_moments, (a, b))
    values, vectors = np.linalg.eigh(covariance_a)
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    product = np.linalg.eigvalsh(root @ covariance_b @ root)
    spread = np.trace(covariance_a) + np.trace(covariance_b) - 2 * np.sqrt(product.clip(0)).sum()
    return float(np.square(mean_a - mean_b).sum() + spread)


def _moments(x: Float[np.ndarray, "n features"]) -> tuple[np.ndarray, np.ndarray]:
    x = x.astype(np.float64)
    return x.mean(axis=0), np.cov(x, rowvar=False)
