"""The figure: canvases with the digit's box, the network's, and that of all that is bright."""

from typing import Literal

import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from dlfun.experiment import Trained
from dlfun.plots.style import INK, LABEL, PALETTE, figure, percent, truncate
from dlfun.train.prediction import predict_columns

from .clutter import bright_boxes
from .detector import iou

SHOWN = 7
"""Canvases in a row."""
LINES: dict[str, tuple[str, Literal["-", ":"]]] = {
    "the digit's ink": (PALETTE[2], "-"),
    "the network": (PALETTE[3], "-"),
    "all that is bright": (PALETTE[5], ":"),
}


def boxes(trained: Trained) -> Figure:
    """The first test canvases in a row, and below those on which the network's IoU is smallest."""
    test, classes = trained.dataset.splits["test"], trained.dataset.classes
    predicted = predict_columns(trained.learner, trained.state, {"image": test["image"]})
    drawn_boxes = (test["box"], predicted["box"], bright_boxes(test["image"]))
    overlaps = [np.asarray(iou(jnp.asarray(b), jnp.asarray(test["box"]))) for b in drawn_boxes]
    read = predicted["logits"].argmax(axis=1)
    drawn = figure(
        1.75 * SHOWN,
        5.2,
        f"The network's box has a mean IoU of {overlaps[1].mean():.2f}, that of all that is bright"
        f" {overlaps[2].mean():.2f}",
        f"{len(read):,} test canvases, {percent((read == test['label']).mean(), 1)} of the classes"
        " right; above each canvas the class read, and IoU",
    )
    grid = drawn.subplots(2, SHOWN)
    for axes in grid.flat:
        axes.axis("off")
    worst = np.argsort(overlaps[1], kind="stable")[:SHOWN]
    for row, chosen in zip(grid, (np.arange(min(SHOWN, len(read))), worst), strict=True):
        for axes, number in zip(row, chosen, strict=False):
            axes.imshow(test["image"][number].mean(axis=-1), cmap="gray", vmin=0, vmax=255)
            for box, (colour, dash) in zip(drawn_boxes, LINES.values(), strict=True):
                top, left, bottom, right = box[number] - 0.5  # A pixel's middle is its number.
                axes.add_patch(
                    Rectangle(
                        (left, top), right - left, bottom - top,
                        fill=False, edgecolor=colour, linestyle=dash, linewidth=2,
                    )
                )  # fmt: skip
            axes.set_title(
                f"{truncate(classes[read[number]])}, {overlaps[1][number]:.2f}",
                fontsize=LABEL,
                color=INK if read[number] == test["label"][number] else PALETTE[1],
            )
    handles = [
        Line2D([], [], color=colour, linestyle=dash, linewidth=2, label=f"box of {name}")
        for name, (colour, dash) in LINES.items()
    ]
    drawn.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)
    return drawn
