"""Style of the figures: colours that the colour-blind can tell apart, sizes, tiling, saving."""

import functools
import sys
import textwrap
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from matplotlib import font_manager, rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from dlfun.train.run_directory import atomic

COLOURS = {"train": "#0072B2", "validation": "#E69F00", "test": "#D55E00"}
"""Colours of the splits, from Okabe and Ito (2008)."""
PALETTE = (
    "#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#222222", "#8C6D31"
)  # fmt: skip
"""Okabe and Ito's palette, with brown in the place of yellow, which is unreadable on white."""
WIDE = (
    *("Noto Sans CJK", "Source Han Sans", "WenQuanYi", "Droid Sans Fallback", "Unifont"),
    *("PingFang", "Hiragino Sans", "Microsoft YaHei", "SimHei", "Arial Unicode MS"),
)
"""Beginnings of the names of fonts with the letters of East Asia, on Linux, macOS and Windows."""
INK, TITLE, LABEL, SMALL = "#222222", 15, 12, 9


def figure(width: float, height: float, title: str, detail: str = "") -> Figure:
    """An empty figure of a size in inches, under a title that says what was found."""
    _use_wide_fonts()
    made = Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1))
    # A bold letter is about 0.64 of its size wide, and a point 1/72 inch.
    size = min(TITLE, 72 * width / (0.64 * len(title)))
    lines = textwrap.wrap(detail, int(72 * width / (0.52 * LABEL)))
    title = plain(title) + "\n" * len(lines)
    made.suptitle(title, fontsize=size, fontweight="bold", color=INK)
    below = plain("\n".join(lines))
    made.text(0.5, 1 - 0.45 / height, below, ha="center", va="top", fontsize=LABEL)
    return made


def tidy(axes: Axes, x: str, y: str, legend: bool = True) -> None:
    """Labels, a light grid, no box, and a legend without a frame."""
    axes.set_xlabel(plain(x), fontsize=LABEL)
    axes.set_ylabel(plain(y), fontsize=LABEL)
    axes.grid(color="#dddddd")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=LABEL - 1, labelcolor=INK)
    if legend:
        axes.legend(frameon=False, fontsize=LABEL - 1)


def in_words(drawn: Figure) -> tuple[str, str]:
    """Describe a figure in words: its title, and then its detail, axes and legends."""
    title = drawn.get_suptitle()
    parts = [text.get_text() for text in drawn.texts if text.get_text() != title]
    for axes in drawn.axes:
        x, y = axes.get_xlabel(), axes.get_ylabel()
        legend = ", ".join(axes.get_legend_handles_labels()[1])
        parts += [axes.get_title(), f"{y} against {x}" if x and y else "", legend]
    parts += [", ".join(text.get_text() for text in key.get_texts()) for key in drawn.legends]
    title, *parts = [" ".join(part.replace("\\$", "$").split()) for part in (title, *parts)]
    return title, ". ".join(dict.fromkeys(filter(None, parts)))


def save(drawn: Figure, path: Path) -> Path:
    """Write a PNG, whole or not at all; what it shows stands in it, in words."""
    with atomic(path) as part, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        title, description = in_words(drawn)
        about = {"Title": title, "Description": description}
        drawn.savefig(part, format="png", dpi=150, facecolor="white", metadata=about)
    for warning in caught:
        text = str(warning.message)
        if "missing from font" not in text:
            warnings.warn_explicit(text, warning.category, warning.filename, warning.lineno)
        else:
            _say_once("no font here has all letters of the figures: some are drawn as boxes")
    return path


@functools.cache
def _use_wide_fonts() -> None:
    """Use fonts that are here for the letters of East Asia, which the usual one lacks."""
    installed = {font.name for font in font_manager.fontManager.ttflist}
    rcParams["font.family"] += sorted(name for name in installed if name.startswith(WIDE))


@functools.cache
def _say_once(text: str) -> None:
    print(f"warning: {text}", file=sys.stderr)


def percent(share: float, digits: int = 2) -> str:
    """A share as a percentage."""
    return f"{100 * share:.{digits}f} %"


def plain(text: str) -> str:
    """Text without marks that matplotlib would read as mathematics."""
    return text.replace("$", r"\$")


def truncate(name: str, length: int = 14) -> str:
    """A class name cut to a length."""
    return name if len(name) <= length else name[: length - 1] + "…"


def tiled(
    images: Sequence[np.ndarray], columns: int, gap: tuple[int, int]
) -> tuple[Float[np.ndarray, "height width *channels"], list[tuple[int, int]]]:
    """Images of one shape as one, with the (top, left) corner of each.

    Rows and columns are `gap` pixels apart; between images is nan.
    """
    height, width, *channels = images[0].shape
    rows = -(-len(images) // columns)
    down, right = height + gap[0], width + gap[1]
    canvas = np.full((rows * down - gap[0], columns * right - gap[1], *channels), np.nan)
    corners = [(i // columns * down, i % columns * right) for i in range(len(images))]
    for image, (top, left) in zip(images, corners, strict=True):
        canvas[top : top + height, left : left + width] = image
    return canvas, corners
