"""The test images that a classifier gets most wrong."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from dlfun.data.dataset import Split
from dlfun.plots.style import LABEL, SMALL, figure, percent, plain, tiled, truncate

ROWS, COLUMNS = 5, 8


def worst(
    split: Split, probabilities: Float[np.ndarray, "n classes"]
) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the mistakes by falling probability of the predicted class, and these classes."""
    label, guess = split["label"], probabilities.argmax(axis=1)
    of_label = np.take_along_axis(probabilities, label[:, None], axis=1)[:, 0]
    # Among those that are certain to rounding, the less probable true class is the worse.
    order = np.lexsort((of_label, -probabilities.max(axis=1)))
    return order[(guess != label)[order]], guess


def worst_mistakes(
    subject: str,
    after: str,
    split: Split,
    probabilities: Float[np.ndarray, "n classes"],
    classes: Sequence[str],
) -> Figure:
    """The most confident mistakes: image, true class, predicted class and its probability."""
    mistakes, guess = worst(split, probabilities)
    shown = mistakes[: ROWS * COLUMNS]
    title = (
        f"{subject}: the {len(shown)} worst of {len(mistakes):,} mistakes "
        f"on {len(guess):,} test images"
    )
    names = [
        (truncate(classes[true]), truncate(classes[taken]))
        for true, taken in zip(split["label"][shown].tolist(), guess[shown].tolist(), strict=True)
    ]
    long = max(len(name) for pair in names for name in pair) > 3
    images = [pixels(split["image"][i]) for i in shown]
    height, width = images[0].shape[:2]
    gap = (round((0.6 if long else 0.5) * width), round(0.25 * width))
    canvas, corners = tiled(images, COLUMNS, gap)
    inches = 1.35
    rows = -(-len(shown) // COLUMNS)
    drawn = figure(
        COLUMNS * inches,
        rows * inches * (height + gap[0]) / (width + gap[1]) + 1.0,
        title,
        f"{after}; true → predicted class, and the probability given to it",
    )
    axes = drawn.subplots()
    axes.imshow(np.nan_to_num(canvas), interpolation="nearest")
    axes.set_ylim(canvas.shape[0] - 0.5, -gap[0])
    axes.axis("off")
    for i, (true, taken), (top, left) in zip(shown, names, corners, strict=True):
        text = f"{true}\n→ {taken}" if long else f"{true} → {taken}"
        axes.text(
            left + width / 2,
            top - 0.05 * width,
            plain(f"{text}\n{percent(float(probabilities[i].max()), 1)}"),
            ha="center",
            va="bottom",
            fontsize=SMALL if long else LABEL - 1,
            linespacing=1.1,
        )
    return drawn


def pixels(image: np.ndarray) -> Float[np.ndarray, "height width rgba"]:
    """An image of 1 to 4 channels as red, green, blue and opacity in [0, 1]."""
    unit = image.astype(np.float64) / 255
    if unit.shape[2] < 3:
        gray = np.repeat(unit[..., :1], 3, axis=2)
        unit = np.concatenate([gray, unit[..., 1:]], axis=2)
    return unit if unit.shape[2] == 4 else np.pad(unit, ((0, 0), (0, 0), (0, 1)), constant_values=1)
