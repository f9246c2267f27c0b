"""Figure of the patterns of pixels that hidden units respond to."""

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from dlfun.plots.style import figure, tiled

SHOWN, COLUMNS = 64, 16


def draw_filters(weights: Float[np.ndarray, "visible hidden"], shape: tuple[int, int]) -> Figure:
    """The first 64 hidden units' weights as images, on one symmetric scale."""
    images = weights.T[:SHOWN].reshape(-1, *shape)
    canvas, _ = tiled(list(images), COLUMNS, (2, 2))
    limit = float(np.percentile(np.abs(images), 99.5))
    title = "The first machine's hidden units respond to strokes"
    drawn = figure(11, 3.6, title, "weights; red excites the unit, blue inhibits it")
    axes = drawn.subplots()
    axes.imshow(np.ma.masked_invalid(canvas), cmap="RdBu_r", vmin=-limit, vmax=limit)
    axes.axis("off")
    return drawn
