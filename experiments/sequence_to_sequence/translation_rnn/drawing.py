"""Figures: translations, and which words of a sentence are read for each word of them."""

import textwrap
from functools import partial
from typing import Any

import jax
import numpy as np
from matplotlib.figure import Figure

from dlfun.data import multi30k
from dlfun.data.dataset import take
from dlfun.data.parallel_text import END, Languages, Pairs
from dlfun.experiment import Trained
from dlfun.nn.models.recurrent_translator import RecurrentTranslator
from dlfun.plots.style import INK, LABEL, SMALL, figure, plain, truncate

from .scoring import translated

SHOWN, ALIGNED = 5, 4
"""The first sentences of the test set: their translations, and their alignments, are drawn."""
LINE, WIDTH = 0.2, 100
"""Inches from one line to the next, and characters of a line at most."""


def translations(trained: Trained, test: Pairs) -> Figure:
    """Sentences of the test set, their translations, and those of a person."""
    ours = translated(trained, take(trained.dataset.splits["test"], np.arange(SHOWN)))
    lines: list[tuple[str, str]] = []
    for source, written, reference in zip(test[0], ours, test[1], strict=False):
        for words, weight in ((source, "normal"), (written, "bold"), (reference, "normal")):
            lines += [(line, weight) for line in textwrap.wrap(multi30k.plain(words), WIDTH)]
        lines.append(("", "normal"))
    detail = "each with its translation, bold, and that of a person"
    drawn = figure(10, 1.1 + LINE * len(lines), f"{SHOWN} sentences of the test set", detail)
    axes = drawn.subplots()
    axes.axis("off")
    axes.set_ylim(len(lines), 0)
    for row, (line, weight) in enumerate(lines):
        axes.text(0, row, plain(line), fontsize=LABEL, fontweight=weight, va="top", color=INK)
    return drawn


def alignments(trained: Trained, model: RecurrentTranslator, vocabularies: Languages) -> Figure:
    """Weights of attention, a row for each word of a translation, a column for each it reads."""
    split = take(trained.dataset.splits["test"], np.arange(ALIGNED))
    sentences = [[*words, END] for words in translated(trained, split)]
    number = {word: at for at, word in enumerate(vocabularies.target)}
    before = np.full((ALIGNED, max(map(len, sentences))), number[END], np.int32)
    for row, sentence in zip(before, sentences, strict=True):
        row[1 : len(sentence)] = [number[word] for word in sentence[:-1]]
    read = jax.jit(partial(model.apply, method="alignment"))
    weights: Any = np.asarray(read(trained.state.variables, split["x"], split["length"], before))
    drawn = figure(11, 11, "The word that is written and the words that attention reads for it")
    for k, axes in enumerate(drawn.subplots(2, 2).ravel()):
        source = [vocabularies.source[token] for token in split["x"][k, : split["length"][k]]]
        axes.imshow(weights[k, : len(sentences[k]), : len(source)], cmap="Greys", vmin=0, vmax=1)
        labels = [
            [plain(truncate(multi30k.plain([word]))) for word in part]
            for part in (source, sentences[k])
        ]
        axes.set_xticks(range(len(source)), labels[0], rotation=60, ha="left", fontsize=SMALL)
        axes.set_yticks(range(len(sentences[k])), labels[1], fontsize=SMALL)
        axes.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False)
    return drawn
