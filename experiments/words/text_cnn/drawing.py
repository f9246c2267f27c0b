"""The figures: accuracy of each network, and the words that filters answer to."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from dlfun.data.dataset import Split, take
from dlfun.nn.models.text_cnn import TextCNN
from dlfun.plots.style import INK, LABEL, PALETTE, SMALL, figure, percent, plain, tidy, truncate

SHOWN = 24
"""Filters that are shown."""
EXAMPLES = 4
"""Windows of words that are shown of each."""
ROWS = 512
"""Sentences that are read at once."""


class Filter(NamedTuple):
    """A filter: the class that it speaks most for, its weight there, and windows of words."""

    label: int
    weight: float
    answered: list[str]
    """Those with the largest answers, the largest first."""


def by_network(accuracies: Mapping[str, float], bayes: float, detail: str) -> Figure:
    """Bars of the networks' accuracies, and a line at that of naive Bayes."""
    best = max(accuracies, key=lambda name: accuracies[name])
    drawn = figure(
        7.5, 5, f"{best} {percent(accuracies[best], 1)}, naive Bayes {percent(bayes, 1)}",
        detail,
    )  # fmt: skip
    axes = drawn.subplots()
    bars = axes.bar([*accuracies], [*accuracies.values()], 0.6, color=PALETTE[0])
    axes.bar_label(bars, [percent(share, 1) for share in accuracies.values()])
    axes.axhline(bayes, color=INK, linestyle=":", label=f"naive Bayes {percent(bayes, 1)}")
    axes.set_ylim(max(0, min(*accuracies.values(), bayes) - 0.1), 1)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, 0, symbol=" %"))
    tidy(axes, "", "accuracy")
    return drawn


def filters_of(
    model: TextCNN, variables: Any, split: Split, words: Sequence[str], count: int
) -> list[Filter]:
    """The filters of the first width that speak most for one class against the others.

    A filter's weight for a class is that of the dense layer less its mean over classes. A window is
    shown once, with those of its words that lie within the sentence.
    """
    width = model.widths[0]

    @jax.jit
    def best(variables: Any, x: Any, length: Any) -> tuple[Any, Any]:
        answers: Any = model.apply(variables, x, length, method=TextCNN.answers)
        return answers[0].max(axis=1), answers[0].argmax(axis=1)

    peaks = [
        best(variables, *(part[name] for name in ("x", "length")))
        for start in range(0, len(split["x"]), ROWS)
        for part in [take(split, np.arange(start, start + ROWS).clip(max=len(split["x"]) - 1))]
    ]
    answer, end = (np.concatenate(parts)[: len(split["x"])] for parts in zip(*peaks, strict=True))
    kernel = np.asarray(variables["params"]["classifier"]["kernel"])[: model.features]
    weight = kernel - kernel.mean(axis=1, keepdims=True)
    made = []
    for number in np.argsort(-weight.max(axis=1), kind="stable")[:count]:
        windows: dict[str, None] = {}
        for row in np.argsort(-answer[:, number], kind="stable"):
            stop = end[row, number] + 1
            inside = split["x"][row, max(stop - width, 0) : min(stop, split["length"][row])]
            windows[" ".join(words[word] for word in inside)] = None
            if len(windows) == EXAMPLES:
                break
        label = int(weight[number].argmax())
        made.append(Filter(label, float(weight[number, label]), [*windows]))
    return sorted(made, key=lambda f: (f.label, -f.weight))


def table_of_filters(
    model: TextCNN, variables: Any, split: Split, words: Sequence[str], classes: Sequence[str]
) -> Figure:
    """A line for each filter: the class that it speaks for, its weight, and windows of words."""
    filters = filters_of(model, variables, split, words, SHOWN)
    drawn = figure(
        13, 1 + 0.32 * len(filters), "What the filters answer to",
        f"filters of {model.widths[0]} words: the class that each speaks for, its weight, and the "
        "words that it answers to most",
    )  # fmt: skip
    axes = drawn.subplots()
    axes.set(xlim=(0, EXAMPLES + 0.8), ylim=(len(filters) - 0.5, -0.5))
    axes.axis("off")
    for row, (label, weight, answered) in enumerate(filters):
        name = f"{truncate(classes[label])} {weight:.2f}"
        axes.text(0, row, plain(name), fontsize=LABEL, va="center", fontweight="bold",
                  color=PALETTE[label % len(PALETTE)])  # fmt: skip
        for column, window in enumerate(answered):
            shown = plain(truncate(window, 34))
            axes.text(column + 0.8, row, shown, fontsize=SMALL, va="center")
    return drawn
