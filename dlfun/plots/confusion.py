"""The confusion matrix: the predicted classes of the examples of each class."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from dlfun.plots.style import INK, LABEL, SMALL, figure, percent, plain, truncate

ANNOTATED, NAMED = 20, 50
"""Largest number of classes for which cells show counts, and rows and columns class names."""


def count(
    label: Int[np.ndarray, " n"], probabilities: Float[np.ndarray, "n classes"]
) -> Int[np.ndarray, "classes classes"]:
    """Confusion matrix: the number of examples of each label (row) by predicted class (column)."""
    classes = probabilities.shape[1]
    cell = label * classes + probabilities.argmax(axis=1)
    return np.bincount(cell, minlength=classes**2).reshape(classes, classes)


def confusion_matrix(
    subject: str, after: str, matrix: np.ndarray, classes: Sequence[str]
) -> Figure:
    """Counts, coloured by the share of the true class."""
    matrix = matrix.astype(np.int64)
    totals = matrix.sum(axis=1)
    share = matrix / np.maximum(totals, 1)[:, None]
    n = len(classes)
    wrong = matrix - np.diag(np.diag(matrix))
    title = f"{subject}: {percent(np.trace(matrix) / max(totals.sum(), 1))} test accuracy {after}"
    detail = "no mistake"
    if wrong.any():
        true, taken = divmod(int(wrong.argmax()), n)
        detail = (
            f"most frequent mistake: “{truncate(classes[true])}” taken for "
            f"“{truncate(classes[taken])}”, "
            f"{wrong[true, taken]:,} of {totals[true]:,}"
        )
    side = 7.0 if n <= 12 else 9.0
    drawn = figure(side + 1.2, side + 0.6, title, detail)
    axes = drawn.subplots()
    # A power below one, for the few mistakes of a good classifier to show.
    norm = PowerNorm(0.4, 0, 1)
    image = axes.imshow(share, cmap="Blues", norm=norm)
    if n <= ANNOTATED:
        for (i, j), cell in np.ndenumerate(matrix):
            if cell:
                colour = "white" if norm(share[i, j]) > 0.55 else INK
                size = LABEL - 1 if n <= 12 else SMALL - 1
                axes.text(j, i, cell, ha="center", va="center", color=colour, fontsize=size)
    if n <= NAMED:
        names = [plain(truncate(name)) for name in classes]
        size = LABEL if n <= ANNOTATED else SMALL - 1
        axes.set_yticks(range(n), names, fontsize=size)
        axes.set_xticks(range(n), names, fontsize=size)
        if max(map(len, names)) > 2:
            angle = 40 if n <= ANNOTATED else 90
            for tick in axes.get_xticklabels():
                tick.set(rotation=angle, ha="right", va="center_baseline", rotation_mode="anchor")
    axes.set_xlabel("predicted class", fontsize=LABEL)
    axes.set_ylabel("true class", fontsize=LABEL)
    bar = drawn.colorbar(image, ax=axes, shrink=0.8, ticks=[0, 0.01, 0.05, 0.2, 0.5, 1])
    bar.ax.set_yticklabels([percent(tick, 0) for tick in bar.get_ticks()])
    bar.set_label("share of the true class", fontsize=LABEL)
    return drawn
