"""Measures of Gaussian smoothing, as a learner that learns nothing."""

from collections.abc import Callable, Sequence

import jax.numpy as jnp
from jaxtyping import Array

from dlfun import metrics
from dlfun.learner import Batch, Key, Learner
from dlfun.metrics import Metrics

from .kernels import gaussian, smooth, smooth_separable, total_variation

ROUNDING = 1e-6
"""Largest difference between two orders of summing products of numbers up to 1."""


def smoothing(
    sigmas: Sequence[float | Array], radius: int, inputs: Callable[[Array], Array]
) -> Learner:
    """Learner that smooths images by a Gaussian of each σ, in rising order. Its metrics:

    - loss: the mean squared difference to the image, mean over σ;
    - kernel_error: the largest |Σ g - 1|;
    - separable_error: the share of images of which, under any σ, any pixel smoothed by rows and
      columns differs from the full kernel's by more than 1e-6;
    - variation [1 + number of σ]: the mean total variation of the image, and under each σ;
    - blur_grows: the share of images whose total variation falls with each σ.
    """

    def init(key: Key, batch: Batch) -> tuple:
        return ()

    def evaluate(state: tuple, batch: Batch, key: Key) -> Metrics:
        image, weight = inputs(batch["image"]), batch["weight"]
        kernels = [gaussian(sigma, radius) for sigma in sigmas]
        smoothed = jnp.stack([smooth(image, kernel) for kernel in kernels])
        by_axes = [smooth_separable(image, gaussian(sigma, radius, axes=1)) for sigma in sigmas]
        differ = (jnp.abs(smoothed - jnp.stack(by_axes)) > ROUNDING).any((0, 2, 3, 4))
        variation = jnp.stack([total_variation(x) for x in (image, *smoothed)])
        falls = (variation[1:] < variation[:-1]).all(axis=0).astype(weight.dtype)
        total = (variation * weight).sum(axis=1)
        return {
            "loss": metrics.mean(jnp.square(smoothed - image).mean((0, 2, 3, 4)), weight),
            "kernel_error": metrics.scalar(
                jnp.abs(jnp.stack([k.sum() for k in kernels]) - 1).max(), weight
            ),
            "separable_error": metrics.mean(differ.astype(weight.dtype), weight),
            "blur_grows": metrics.mean(falls, weight),
            "variation": metrics.Ratio(total, jnp.broadcast_to(weight.sum(), total.shape)),
        }

    def update(state: tuple, batch: Batch, key: Key) -> tuple[tuple, Metrics]:
        return state, evaluate(state, batch, key)

    return Learner(init, update, evaluate)
