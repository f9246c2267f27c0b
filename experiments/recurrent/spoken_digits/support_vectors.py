"""A support vector machine on recordings stretched to one length: the baseline of spoken digits."""

import numpy as np
from jaxtyping import Float, Int, Shaped

FRAMES = 16
"""Frames that each recording is resampled to."""
PENALTY, ITERATIONS = 10.0, 200
MOST = 10_000
"""Recordings in training at most: the kernel has a number for each pair."""


def stretched(
    padded: Shaped[np.ndarray, "n longest channels_and_one"],
) -> Float[np.ndarray, "n features"]:
    """Each recording's frames, interpolated linearly at `FRAMES` times from its first to its last.

    The last channel of `padded` is 1 where there is a frame.
    """
    rows = []
    for frames in padded:
        length = int(frames[:, -1].sum(dtype=np.int64))
        at = np.linspace(0, length - 1, FRAMES)
        before = np.floor(at).astype(int)
        after = np.minimum(before + 1, length - 1)
        share = (at - before)[:, None].astype(np.float32)
        values = frames[:, :-1].astype(np.float32)
        rows.append(((1 - share) * values[before] + share * values[after]).reshape(-1))
    return np.stack(rows)


def svm_predictions(
    x: Float[np.ndarray, "n features"],
    label: Int[np.ndarray, " n"],
    test: Float[np.ndarray, "m features"],
) -> Int[np.ndarray, " m"]:
    """Classes of `test` by support vector machines, one for each class against all others.

    Features are scaled to mean 0 and variance 1 on `x`. With k(a, b) = exp(-‖a - b‖²/F), where F is
    their number, the machine of a class, whose examples have y = 1 and all others -1, maximizes

        Σᵢ αᵢ - ½ Σᵢⱼ αᵢ αⱼ yᵢ yⱼ k(xᵢ, xⱼ)   within 0 ≤ αᵢ ≤ C

    (Cortes, Vapnik 1995) by accelerated projected gradients (Beck, Teboulle 2009), and its score of
    a is Σᵢ αᵢ yᵢ k(xᵢ, a), without a bias. The class is that of the largest score.
    """
    mean, deviation = x.mean(0), np.maximum(x.std(0), 1e-6)
    x, test = (x - mean) / deviation, (test - mean) / deviation
    kernel = _kernel(x, x)
    sign = np.where(label[:, None] == np.arange(label.max() + 1), 1, -1).astype(np.float32)
    # No eigenvalue exceeds the largest sum of a row.
    step = 1 / kernel.sum(1).max()
    alpha = ahead = np.zeros_like(sign)
    momentum = 1.0
    for _ in range(ITERATIONS):
        gradient = 1 - sign * (kernel @ (sign * ahead))
        new = np.clip(ahead + step * gradient, 0, PENALTY)
        following = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        ahead = new + np.float32((momentum - 1) / following) * (new - alpha)
        alpha, momentum = new, following
    return (_kernel(test, x) @ (sign * alpha)).argmax(1)


def _kernel(
    a: Float[np.ndarray, "n features"], b: Float[np.ndarray, "m features"]
) -> Float[np.ndarray, "n m"]:
    squares = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T
    return np.exp(-np.maximum(squares, 0) / np.float32(a.shape[1]))
