"""What a convolutional network sees: the kernels and maps of each layer, and the saliency."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dlfun.errors import UserError
from dlfun.experiment import Experiment
from dlfun.plots import curves
from dlfun.plots.style import INK, LABEL, figure, percent, tiled
from dlfun.train.driver import Trained

from .saliency import saliency as gradient

Kernel = Float[np.ndarray, "height width in out"]


def draw(trained: Trained, rows: Sequence[Mapping]) -> Iterator[tuple[str, Figure]]:
    """The three figures of a trained classifier: "kernels", "maps" and "saliency".

    Of its Config it reads `shown`, the number of the test image whose maps are drawn; of the rows
    of metrics.jsonl the last of the test split, with the metrics of saliency.py.
    """
    experiment, variables = trained.experiment, trained.position.state.variables
    test, classes = experiment.dataset.splits["test"], experiment.dataset.classes
    subject, last = experiment.dataset.name, rows[-1]
    assert experiment.inputs is not None  # A classifier reads floats.
    after = f"after {curves.epochs(last['epoch'])}; test accuracy {percent(last['accuracy'])}"
    convolutions = {
        name: np.asarray(layer["kernel"])
        for name, layer in variables["params"].items()
        if layer["kernel"].ndim == 4
    }
    named = {name: f"convolution {n + 1}" for n, name in enumerate(convolutions)}
    title = "The first kernels read pixels; those of each later layer combine the maps before"
    detail = f"red excites, blue inhibits; {subject}, {after}"
    yield "kernels", kernels(title, detail, {named[n]: k for n, k in convolutions.items()})

    which = trained.config.shown
    if which >= len(test["label"]):
        raise UserError(f"shown {which}: there are only {len(test['label']):,} test images")
    chosen, label = test["image"][which : which + 1], test["label"][which]
    inside, logits = look(experiment, variables, chosen)
    found = np.asarray(jax.nn.softmax(logits))
    title = f"From pixels to a class: {classes[label]}, read as {classes[found.argmax()]}"
    detail = f"test image {which} of {subject}; maps after ReLU; {after}"
    layers = {named.get(name, "hidden layer"): values for name, values in inside.items()}
    yield "maps", maps(title, detail, gray(chosen)[0], layers, found, classes)

    first = [int(np.argmax(test["label"] == number)) for number in range(len(classes))]
    images, labels = jnp.asarray(test["image"][first]), jnp.asarray(test["label"][first])
    masses = jax.jit(partial(gradient, experiment.model))(
        variables, experiment.inputs(images), labels
    )
    title = (
        f"{percent(last['saliency_near_ink'], 0)} of the saliency lies at the ink,"
        f" {percent(last['near_ink'], 0)} of the pixels do"
    )
    detail = (
        f"|∂ logit/∂ pixel| of the true class; means over the test images of {subject}, {after}"
    )
    yield "saliency", saliency(title, detail, gray(images), np.asarray(masses), classes)


def look(
    experiment: Experiment, variables: Any, image: np.ndarray
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Of one image what each layer but the last gives, after ReLU; and the logits."""
    assert experiment.inputs is not None
    x = experiment.inputs(jnp.asarray(image))
    apply = jax.jit(partial(experiment.model.apply, capture_intermediates=True))
    logits, kept = apply(variables, x)
    own = {n: v["__call__"][0] for n, v in kept["intermediates"].items() if isinstance(v, dict)}
    layers = [n for n, y in own.items() if "kernel" in variables["params"].get(n, ())]
    inside = {n: np.maximum(own[n][0], 0) for n in layers[:-1]}
    # A hidden layer's units are maps of one position.
    inside = {n: y if y.ndim == 3 else y[None, None] for n, y in inside.items()}
    return inside, np.asarray(logits[0])


def gray(images: Any) -> Float[np.ndarray, "n height width"]:
    """Stored images as brightness, 0 to 1."""
    return np.asarray(images).mean(axis=-1) / 255


def kernels(title: str, detail: str, layers: Mapping[str, Kernel]) -> Figure:
    """All kernels of each convolution, each to the scale of its layer.

    A layer of one input channel has its kernels tiled; any other has a row for each channel it
    reads, and a column for each it writes.
    """
    widths = [1.0, *[1.9] * (len(layers) - 1)]
    drawn = figure(5.0 * sum(widths), 6.0, title, detail)
    for axes, (name, kernel) in zip(_row(drawn, len(layers), widths), layers.items(), strict=True):
        reads, writes = kernel.shape[2:]
        images = np.moveaxis(kernel, (2, 3), (0, 1)).reshape(-1, *kernel.shape[:2])
        columns, gap = (writes, 1) if reads > 1 else (round(writes**0.5 + 0.5), 2)
        # A pixel is the least a gap can be, and of a small kernel too much.
        images = images.repeat(4, axis=1).repeat(4, axis=2)
        canvas, _ = tiled(list(images), columns, (2 * gap, 2 * gap))
        limit = float(np.percentile(np.abs(kernel), 99))
        shown = axes.imshow(canvas, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest")
        axes.set_title(f"{name}: {reads} × {writes} kernels", fontsize=LABEL, color=INK)
        if reads > 1:
            axes.set_xlabel(f"map written, 1 to {writes}", fontsize=LABEL, color=INK)
            axes.set_ylabel(f"map read, 1 to {reads} downwards", fontsize=LABEL, color=INK)
        bar = drawn.colorbar(shown, ax=axes, extend="both", fraction=0.04, pad=0.02)
        bar.set_label("weight", fontsize=LABEL)
    return drawn


def maps(
    title: str,
    detail: str,
    image: Float[np.ndarray, "height width"],
    layers: Mapping[str, Float[np.ndarray, "height width channels"]],
    probabilities: Float[np.ndarray, " classes"],
    classes: Sequence[str],
) -> Figure:
    """An image, the maps of each layer from left to right, and what comes of them."""
    widths = [1.1, *[2.2] * len(layers), 1.2]
    drawn = figure(1.9 * sum(widths), 5.8, title, detail)
    first, *inner, last = _row(drawn, len(layers) + 2, widths)
    first.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    first.set_title("image", fontsize=LABEL, color=INK)
    for axes, (name, values) in zip(inner, layers.items(), strict=True):
        height, width, channels = values.shape
        words = f"{channels} maps of {height}×{width}" if height > 1 else f"{channels} units"
        columns, gap = round(channels**0.5 + 0.49), min(height - 1, 1)
        canvas, _ = tiled(list(np.moveaxis(values, -1, 0)), columns, (gap, gap))
        limit = float(np.percentile(values, 99.5)) or 1.0
        shown = axes.imshow(canvas, cmap="viridis", vmin=0, vmax=limit, interpolation="nearest")
        axes.set_title(f"{name}\n{words}", fontsize=LABEL, color=INK)
        bar = drawn.colorbar(
            shown, ax=axes, extend="max", location="bottom", fraction=0.05, pad=0.02
        )
        bar.set_label("activation", fontsize=LABEL)
    last.set_frame_on(True)
    last.spines[["top", "right"]].set_visible(False)
    last.barh(range(len(classes)), 100 * probabilities, color="#0072B2")
    last.set_yticks(range(len(classes)), classes)
    last.set_xticks([0, 50, 100])
    last.set_xlim(0, 100)
    last.invert_yaxis()
    last.set_xlabel("probability, %", fontsize=LABEL)
    return drawn


def saliency(
    title: str,
    detail: str,
    images: Float[np.ndarray, "n height width"],
    masses: Float[np.ndarray, "n height width"],
    names: Sequence[str],
) -> Figure:
    """Images above, below each the saliency of its class, to its own scale."""
    drawn = figure(1.35 * len(images) + 0.6, 3.9, title, detail)
    grid = drawn.subplots(2, len(images))
    for above, below, image, mass, name in zip(*grid, images, masses, names, strict=True):
        above.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        above.set_title(name, fontsize=LABEL, color=INK)
        shown = below.imshow(
            mass / mass.max(), cmap="magma", vmin=0, vmax=1, interpolation="nearest"
        )
    for axes in grid.flat:
        _bare(axes)
    bar = drawn.colorbar(shown, ax=grid[1], fraction=0.02, pad=0.01)
    bar.set_label("share of the\nlargest", fontsize=LABEL)
    return drawn


def _row(drawn: Figure, count: int, widths: Sequence[float] | None = None) -> list[Axes]:
    row = drawn.subplots(1, count, squeeze=False, width_ratios=widths)[0]
    for axes in row:
        _bare(axes)
    return list(row)


def _bare(axes: Axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_frame_on(False)
