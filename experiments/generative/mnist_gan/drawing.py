"""The figures of a game: samples over the training, and the critic's loss beside their distance."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from dlfun.plots.image_rows import image_rows
from dlfun.plots.style import PALETTE, figure, tidy


def samples_over_training(
    by_epoch: Mapping[float, Float[np.ndarray, "count height width"]],
) -> Figure:
    """A row of samples for each epoch, from the same noise in each column."""
    rows = {f"epoch {epoch:.3g}": images for epoch, images in by_epoch.items()}
    return image_rows("What the generator draws", rows, "each column from the same noise")


def loss_and_distance(course: Any) -> Figure:
    """The Fréchet distance of the samples, and minus the critic's loss, by epoch (a `Course`)."""
    correlation = course.rank_correlation() if len(course.epochs) > 2 else float("nan")
    title = f"Rank correlation of the critic's estimate and the distance: {correlation:.2f}"
    drawn = figure(11, 4.6, title)
    panels = {"Fréchet distance, over that of test images": course.ratios}
    panels |= {"minus the critic's loss": course.estimates}
    colours = zip(drawn.subplots(1, 2), panels.items(), PALETTE, strict=False)
    for axes, (name, values), colour in colours:
        axes.plot(course.epochs, values, "o-", color=colour, linewidth=2)
        tidy(axes, "epoch", name, legend=False)
    drawn.axes[0].set_yscale("log")
    return drawn


def weights_of_critics(
    critics: Mapping[str, Float[np.ndarray, " weights"]], bound: float
) -> Figure:
    """A histogram of the weights of each critic, with a dotted line at ± `bound`."""
    title = "Weights of a critic under clipping, and under the gradient penalty"
    drawn = figure(5.5 * len(critics), 4.4, title, f"dotted: ± {bound:g}, the ends of clipping")
    for axes, (name, values) in zip(drawn.subplots(1, len(critics)), critics.items(), strict=True):
        axes.hist(values, bins=80, color=PALETTE[0])
        for end in (-bound, bound):
            axes.axvline(end, color=PALETTE[1], linestyle=":")
        axes.set_title(name)
        tidy(axes, "weight", "number of weights", legend=False)
    return drawn
