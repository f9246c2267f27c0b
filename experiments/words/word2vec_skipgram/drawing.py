"""The figures: neighbours of words, accuracy on analogies, and words in the plane."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.ticker import PercentFormatter
from matplotlib.transforms import Bbox

from dlfun.data import text
from dlfun.data.word_vectors import WordVectors
from dlfun.plots.style import INK, LABEL, PALETTE, SMALL, figure, percent, plain, tidy, truncate

from .scores import analogies, nearest_words, unit

ASKED = (
    *("father", "doctor", "june", "three", "red", "england", "river", "music", "war", "religion"),
    *("walked", "good"),
)
FEWEST = 3
"""Words of these that a text must have; else its most frequent words are shown in the plane."""
SHOWN = 5
"""Neighbours of each of them."""
GROUPS = {
    "family": ("father", "mother", "brother", "sister", "son", "daughter", "wife", "husband"),
    "months": ("january", "march", "april", "june", "july", "september", "october", "december"),
    "numbers": ("two", "three", "four", "five", "six", "seven", "ten", "twenty"),
    "colours": ("red", "blue", "green", "white", "black", "yellow", "brown", "pink"),
    "the body": ("head", "hand", "eyes", "arm", "leg", "shoulder", "neck", "fingers"),
    "countries": ("england", "france", "germany", "italy", "russia", "china", "japan", "cuba"),
}
SIDES = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1))
"""Positions of a label relative to its point: (1, 0) is to the right, (0, 1) is above."""
GAP = 4
"""Distance of a label from its point, in units of 1/72 inch."""


def table_of_neighbours(made: WordVectors) -> Figure:
    """Some words, and the nearest to each with their cosines."""
    number, vectors = text.numbers(made.words), unit(made.vectors)
    asked = [word for word in ASKED if word in number] or made.words[: len(ASKED)]
    drawn = figure(
        11, 0.8 + 0.36 * len(asked), "Words that are used alike have similar vectors",
        f"the {SHOWN} nearest words and their cosines, the nearest first",
    )  # fmt: skip
    axes = drawn.subplots()
    axes.set(xlim=(0, SHOWN + 1), ylim=(len(asked) - 0.5, -0.5))
    axes.axis("off")
    for row, word in enumerate(asked):
        cosines = vectors @ vectors[number[word]]
        axes.text(
            0, row, plain(truncate(word)), fontsize=LABEL, fontweight="bold", color=INK, va="center"
        )
        for column, near in enumerate(nearest_words(cosines, number[word], SHOWN), 1):
            name = truncate(made.words[near])
            axes.text(
                column, row, plain(f"{name} {cosines[near]:.2f}"), fontsize=LABEL, va="center"
            )
    return drawn


def by_section(
    made: Mapping[str, WordVectors], sections: Mapping[str, Sequence[tuple[str, str, str, str]]]
) -> Figure:
    """Bars of the accuracy on each kind of analogy, by the way of predicting a word."""
    counted = {name: analogies(vectors, sections) for name, vectors in made.items()}
    first = next(iter(counted.values()))
    names = [*reversed(first)]
    total = {
        name: sum(right for right, _ in of.values()) / max(sum(n for _, n in of.values()), 1)
        for name, of in counted.items()
    }
    best = max(total, key=lambda name: total[name])
    drawn = figure(
        9, 6.5, f"Analogies answered: {percent(total[best], 1)} at best",
        "share of right answers, a is to b as c is to …, by kind (questions of known words)",
    )  # fmt: skip
    axes, height = drawn.subplots(), 0.8 / len(counted)
    for index, (way, of) in enumerate(counted.items()):
        shares = [of[name][0] / of[name][1] for name in names]
        at = np.arange(len(names)) + height * (len(counted) / 2 - index - 0.5)
        label = f"{way.replace('_', ' ')} {percent(total[way], 1)}"
        axes.barh(at, shares, height, color=PALETTE[index], label=label)
    axes.set_yticks(range(len(names)), [plain(f"{name} ({first[name][1]})") for name in names])
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    tidy(axes, "accuracy", "")
    return drawn


def in_the_plane(made: WordVectors) -> Figure:
    """Words of some kinds on the first two principal components of their vectors."""
    number = text.numbers(made.words)
    groups = {
        name: present
        for name, words in GROUPS.items()
        if (present := [word for word in words if word in number])
    }
    if sum(map(len, groups.values())) < FEWEST:
        groups = {"the most frequent words": list(made.words[:50])}
    shown = [word for words in groups.values() for word in words]
    points = unit(made.vectors)[[number[word] for word in shown]]
    points = points - points.mean(axis=0)
    left, values, _ = np.linalg.svd(points, full_matrices=False)
    # Vectors of one number lie on a line.
    plane = np.pad(left * values, [(0, 0), (0, 1)])[:, :2]
    explained = (values[:2] ** 2).sum() / max((values**2).sum(), np.finfo(np.float32).tiny)
    drawn = figure(
        9, 7, "Words of a kind lie together",
        f"principal components of {len(shown)} words: {percent(explained, 0)} of the variance",
    )  # fmt: skip
    axes = drawn.subplots()
    axes.margins(0.1)
    labels: list[Annotation] = []
    for (name, words), colour in zip(groups.items(), PALETTE, strict=False):
        places = plane[len(labels) : len(labels) + len(words)]
        axes.scatter(places[:, 0], places[:, 1], s=12, color=colour, label=name)
        labels += [
            axes.annotate(plain(truncate(word)), place, (0, 0), textcoords="offset points",
                          fontsize=SMALL, color=colour)
            for word, place in zip(words, places, strict=True)
        ]  # fmt: skip
    tidy(axes, "first component", "second component")
    _keep_apart(drawn, labels)
    return drawn


def _keep_apart(drawn: Figure, labels: Sequence[Annotation]) -> None:
    """Move each label to where it overlaps points, the legend and the labels before it least."""
    drawn.draw_without_rendering()
    axes = drawn.axes[0]
    points = [Bbox([axes.transData.transform(label.xy)] * 2) for label in labels]
    # By pixels, which are smaller than the units of `GAP`: a label does not overlap its own point.
    taken = [point.padded(GAP) for point in points]
    if legend := axes.get_legend():
        taken.append(legend.get_window_extent())

    def overlap(label: Annotation, side: tuple[int, int]) -> float:
        _move(label, side)
        box = label.get_window_extent()
        common = [both for other in taken if (both := Bbox.intersection(box, other))]
        return sum((both.width * both.height for both in common), 0.0)

    for label in labels:
        _move(label, min(SIDES, key=lambda side: overlap(label, side)))
        taken.append(label.get_window_extent())


def _move(label: Annotation, side: tuple[int, int]) -> None:
    """Move a label to one of the `SIDES` of its point."""
    x, y = side
    label.set_position((GAP * x, GAP * y))
    label.set_horizontalalignment(("right", "center", "left")[x + 1])
    label.set_verticalalignment(("top", "center", "bottom")[y + 1])
