"""The figure: which words of a sentence are read as each word of its translation is written."""

from functools import partial
from typing import Any

import jax
import numpy as np
from matplotlib.figure import Figure

from dlfun.data.dataset import take
from dlfun.data.parallel_text import END, Languages
from dlfun.experiment import Trained
from dlfun.nn.models.recurrent_translator import RecurrentTranslator
from dlfun.plots.style import SMALL, figure, plain, truncate

from .scoring import translated

SHOWN = 4
"""Sentences whose alignment is drawn: the first ones of the test set."""


def alignments(trained: Trained, model: RecurrentTranslator, known: Languages) -> Figure:
    """Weights of attention, a row for each word of a translation, a column for each it reads."""
    split = take(trained.dataset.splits["test"], np.arange(SHOWN))
    sentences = [[*words, END] for words in translated(trained, split)]
    number = {word: at for at, word in enumerate(known.target)}
    before = np.full((SHOWN, max(map(len, sentences))), number[END], np.int32)
    for row, sentence in zip(before, sentences, strict=True):
        row[1 : len(sentence)] = [number[word] for word in sentence[:-1]]
    read = jax.jit(partial(model.apply, method="alignment"))
    weights: Any = np.asarray(read(trained.state.variables, split["x"], split["length"], before))
    drawn = figure(11, 11, "The word that is written and the words that attention reads for it")
    for k, axes in enumerate(drawn.subplots(2, 2).ravel()):
        source = [known.source[token] for token in split["x"][k, : split["length"][k]]]
        axes.imshow(weights[k, : len(sentences[k]), : len(source)], cmap="Greys", vmin=0, vmax=1)
        labels = [[plain(truncate(word)) for word in part] for part in (source, sentences[k])]
        axes.set_xticks(range(len(source)), labels[0], rotation=60, ha="left", fontsize=SMALL)
        axes.set_yticks(range(len(sentences[k])), labels[1], fontsize=SMALL)
        axes.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False)
    return drawn
