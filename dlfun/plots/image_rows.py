"""Rows of images under one another, such as originals over their reconstructions."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from dlfun.plots.style import LABEL, figure, plain, tiled

GAP = 2


def image_rows(
    title: str,
    rows: Mapping[str, Float[np.ndarray, "count height width *channels"]],
    detail: str = "",
    signed: bool = False,
) -> Figure:
    """Rows of equally many images, each row with its label to the left.

    Images have values in [0, 1], beyond which they are cut; three channels are red, green and blue,
    and of any other number their mean is shown. `signed` images are weights, of several channels
    their mean: red above 0, blue below, each scaled by the largest of its own.
    """
    images = [image for row in rows.values() for image in row]
    if images[0].ndim == 3 and (signed or images[0].shape[2] != 3):
        images = [image.mean(axis=2) for image in images]
    if signed:
        images = [image / (np.abs(image).max() or 1.0) for image in images]
    columns, height = len(images) // len(rows), images[0].shape[0]
    canvas, _ = tiled(images, columns, (GAP, GAP))
    width = 10.5
    # A letter of the labels is about 0.09 inches wide.
    label = 0.09 * max(len(line) for name in rows for line in name.splitlines()) + 0.4
    tall = (width - label) * canvas.shape[0] / canvas.shape[1]
    drawn = figure(width, tall + (1.1 if detail else 0.8), title, detail)
    axes = drawn.subplots()
    if signed:
        axes.imshow(np.ma.masked_invalid(canvas), cmap="RdBu_r", vmin=-1, vmax=1)
    elif canvas.ndim == 3:
        axes.imshow(np.nan_to_num(canvas, nan=1.0).clip(0, 1))
    else:
        axes.imshow(np.ma.masked_invalid(canvas), cmap="gray", vmin=0, vmax=1)
    axes.set_yticks(
        [number * (height + GAP) + height / 2 for number in range(len(rows))],
        [plain(name) for name in rows],
        fontsize=LABEL,
    )
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return drawn
