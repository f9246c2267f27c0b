"""The figure: where the network looks in an image while it writes each word."""

from functools import partial
from typing import Any

import jax
import numpy as np
from jaxtyping import Int, UInt8
from matplotlib.figure import Figure

from dlfun.plots.style import INK, LABEL, figure, percent

from .network import Captioner

CMAP = "magma"


def attention_maps(
    model: Captioner,
    variables: Any,
    images: UInt8[np.ndarray, "rows height width channels"],
    written: Int[np.ndarray, "rows time"],
    words: tuple[str, ...],
    share: float,
) -> Figure:
    """Images in the first column, then the weights of attention for each word, over the image.

    `written` are captions, filled up with the last of the words, which ends them; `share` is that
    of whole captions of the test set that are right.
    """
    end = len(words) - 1
    before = np.concatenate([np.full_like(written[:, :1], end), written[:, :-1]], axis=1)
    weights: Any = jax.jit(partial(model.apply, method="weights"))(variables, images, before)
    rows, columns = written.shape
    _, height, width, _ = images.shape
    drawn = figure(
        2.6 * (columns + 1), 1.1 + 1.15 * rows,
        f"{percent(share)} of whole captions of the test set are right",
        "images, and the weights of attention for each word that is written, over the image",
    )  # fmt: skip
    grid = drawn.subplots(rows, columns + 1, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    extent = (0, width, height, 0)
    for panels, image, caption, maps in zip(grid, images, written, weights, strict=True):
        grey = image.mean(axis=-1)
        panels[0].imshow(grey, cmap="gray", vmin=0, vmax=255, extent=extent)
        length = int(np.argmax(caption == end)) + 1 if (caption == end).any() else columns
        for axes, word, weight in zip(panels[1:], caption[:length], maps, strict=False):
            shown = np.asarray(weight).reshape(model.places(height, width))
            axes.imshow(shown, cmap=CMAP, vmin=0, extent=extent, interpolation="bilinear")
            axes.contour(
                np.arange(width) + 0.5, np.arange(height) + 0.5, grey, [grey.max() / 2],
                colors="white", linewidths=0.6,
            )  # fmt: skip
            axes.set_title(words[word], fontsize=LABEL, color=INK)
    return drawn
