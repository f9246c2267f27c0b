"""Kernels of the first layer as images: the patterns that its units respond to."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dlfun.nn.summary import Shape
from dlfun.plots.style import LABEL, figure, tiled

SHOWN, COLUMNS = 64, 8
GATES = {
    3: ("reset gate", "update gate", "candidate"),
    4: ("input gate", "forget gate", "candidate", "output gate"),
}
"""Gates by their number, in the order of `dlfun.nn.layers.recurrent`."""
SIGNS = "red excites the unit, blue inhibits it"
COLOURED = "the colour excites the unit, its complement inhibits it, gray is 0"


def first_layer(subject: str, after: str, params: Mapping[str, Any], shape: Shape) -> Figure:
    """The first kernel among the parameters of a layer.

    A dense kernel [height·width·channels, units] is an image a unit, a convolution's
    [height, width, in, out] an image an output channel; three channels are red, green and blue. Any
    other is a heat map of its two axes. `shape` [height, width, channels] is that of the images.
    """
    kernels = {name: np.asarray(p, np.float32) for name, p in params.items() if np.ndim(p) > 1}
    name = next((name for name in ("kernel", "input_kernel") if name in kernels), min(kernels))
    kernel = kernels[name]
    if name == "input_kernel" and "recurrent_kernel" in kernels:
        hidden = len(kernels["recurrent_kernel"])
        title = f"{subject}: what the first recurrent layer takes from its input"
        return _gates(_heat_map(title, after, kernel, "hidden unit"), kernel.shape[1], hidden)
    if kernel.ndim == 4:
        size = f"{kernel.shape[0]}×{kernel.shape[1]} kernels of the first convolution"
        return _images(f"{subject}: %s {size}", after, np.moveaxis(kernel, -1, 0))
    if kernel.ndim == 2 and len(kernel) == math.prod(shape):
        title = f"{subject}: which pixels %s first-layer units look at"
        return _images(title, after, kernel.T.reshape(-1, *shape))
    flat = kernel.reshape(-1, kernel.shape[-1])
    return _heat_map(f"{subject}: weights of the first layer", after, flat, "unit")


def _images(title: str, after: str, kernels: np.ndarray) -> Figure:
    n, channels = len(kernels), kernels.shape[-1]
    which = f"the {n}" if n <= SHOWN else f"{SHOWN} of the {n}"
    coloured = channels == 3
    images = kernels[:SHOWN] if coloured else kernels[:SHOWN].mean(axis=-1)
    # A pixel is the least a gap can be, and of a small kernel too much.
    enlarged = -(-24 // images.shape[2])
    images = images.repeat(enlarged, axis=1).repeat(enlarged, axis=2)
    columns = min(len(images), COLUMNS, math.ceil(math.sqrt(2 * len(images))))
    canvas, _ = tiled(list(images), columns, (3, 3))
    averaged = "" if channels == 1 else f"; mean over {channels} channels"
    how = COLOURED if coloured else SIGNS + averaged
    width = 9.0
    height = min(width, width * canvas.shape[0] / canvas.shape[1])
    drawn = figure(width + 1, height + 0.6, title % which, f"{after}; {how}")
    axes = drawn.subplots()
    if coloured:
        # White between the kernels.
        axes.imshow(np.nan_to_num(0.5 + canvas / (2 * _limit(images)), nan=1.0).clip(0, 1))
    else:
        _show(drawn, axes, canvas, images, "equal")
    axes.axis("off")
    return drawn


def _heat_map(title: str, after: str, kernel: np.ndarray, unit: str) -> Figure:
    drawn = figure(11.0, 5.0, title, f"{after}; {SIGNS}")
    axes = drawn.subplots()
    _show(drawn, axes, kernel, kernel, "auto")
    axes.set_xlabel(unit, fontsize=LABEL)
    axes.set_ylabel("input feature", fontsize=LABEL)
    return drawn


def _gates(drawn: Figure, width: int, hidden: int) -> Figure:
    """Mark where one gate's units end and the next one's begin."""
    names = GATES.get(width // hidden, ())
    axes = drawn.axes[0]
    for k, name in enumerate(names):
        axes.text((k + 0.5) * hidden, -1, name, ha="center", va="bottom", fontsize=LABEL)
        axes.axvline(k * hidden - 0.5, color="black", linewidth=1.5)
    if names:
        axes.set_xticks(
            [k * hidden + i for k in range(len(names)) for i in (0, hidden // 2)],
            [str(i) for _ in names for i in (0, hidden // 2)],
        )
    return drawn


def _limit(weights: np.ndarray) -> float:
    """The weight at which the scale of colours ends; the few that are larger go off it."""
    return float(np.percentile(np.abs(weights), 99.5)) or 1.0


def _show(drawn: Figure, axes: Axes, canvas: np.ndarray, weights: np.ndarray, aspect: Any) -> None:
    """Show kernels on one symmetric scale, which only the few largest weights exceed."""
    limit = _limit(weights)
    image = axes.imshow(
        np.ma.masked_invalid(canvas),
        cmap="RdBu_r",
        vmin=-limit,
        vmax=limit,
        interpolation="nearest",
        aspect=aspect,
    )
    bar = drawn.colorbar(image, ax=axes, extend="both", fraction=0.03, pad=0.02)
    bar.set_label("weight", fontsize=LABEL)
