"""An image under kernels of several widths, and its total variation."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from dlfun.data import load
from dlfun.data.images import normalize
from dlfun.experiment import Trained
from dlfun.metrics import values
from dlfun.plots.style import INK, LABEL, PALETTE, figure, tidy

from .kernels import gaussian, smooth, total_variation


def smoothed_image(trained: Trained) -> Figure:
    """The figure of the test image numbered `shown`, beside the mean over the test split."""
    config, test = trained.config, trained.dataset.splits["test"]
    batch = {"image": jnp.asarray(test["image"]), "weight": jnp.ones(len(test["image"]))}
    metrics = jax.jit(trained.learner.evaluate)(trained.state, batch, jax.random.key(0))
    variation = np.asarray(values(metrics)["variation"])
    sigmas, images = config.sigmas, load(config.dataset).splits["test"]["image"]
    image = normalize()(jnp.asarray(images[config.shown % len(images)][None]))
    kernels = [gaussian(sigma, config.radius) for sigma in sigmas]
    smoothed = jnp.concatenate([image, *(smooth(image, kernel) for kernel in kernels)])
    left = 100 * variation[-1] / variation[0]
    return draw(
        f"The wider the Gaussian, the less detail: {left:.0f} % is left at σ = {sigmas[-1]:g}",
        f"one test image of {config.dataset} and its total variation;"
        f" right, {config.examples:,} images",
        sigmas,
        np.stack(kernels),
        np.asarray(smoothed).mean(axis=-1),
        np.asarray(total_variation(smoothed)),
        variation,
    )


def draw(
    title: str,
    detail: str,
    sigmas: Sequence[float],
    kernels: Float[np.ndarray, "sigmas window window"],
    images: Float[np.ndarray, "all height width"],
    image_variation: Float[np.ndarray, " all"],
    variation: Float[np.ndarray, " all"],
) -> Figure:
    """Kernels above, the image under each below (`images` begins with the image itself).

    Total variation is shown as a share of that without smoothing: `image_variation` under the
    images; to the right, against σ, `variation`, the mean over many images.
    """
    count = len(images)
    drawn = figure(2.0 * count + 4.6, 5.2, title, detail)
    left, right = drawn.subfigures(1, 2, squeeze=False, width_ratios=(2.0 * count, 4.6))[0]
    grid = left.subplots(2, count)
    for axes in grid.flat:
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
    radius = kernels.shape[-1] // 2
    size = 2 * radius + 1
    words = f"kernels of\n{size}×{size} pixels,\nsum 1, each\nscaled to\nits middle"
    grid[0, 0].text(0.5, 0.5, words, ha="center", va="center", fontsize=LABEL, color=INK)
    for axes, kernel, sigma in zip(grid[0, 1:], kernels, sigmas, strict=True):
        axes.imshow(kernel, cmap="cividis", vmin=0, vmax=kernel.max(), interpolation="nearest")
        axes.set_title(f"σ = {sigma:g} pixels", fontsize=LABEL, color=INK)
        axes.set_xlabel(f"middle {kernel.max():.3f}", fontsize=LABEL, color=INK)
    for axes, image in zip(grid[1], images, strict=True):
        axes.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    for axes, share in zip(grid[1], image_variation / image_variation[0], strict=True):
        words = "as it is" if axes is grid[1, 0] else f"variation {100 * share:.0f} %"
        axes.set_xlabel(words, fontsize=LABEL, color=INK)
    curve = right.subplots()
    curve.plot(
        [0, *sigmas], 100 * variation / variation[0], color=PALETTE[0], marker="o", linewidth=2
    )
    curve.set_ylim(0, 105)
    tidy(curve, "σ, pixels", "mean total variation, % of the unsmoothed", legend=False)
    return drawn
