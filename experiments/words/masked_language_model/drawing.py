"""The figure: words that the language model puts in the place of hidden ones."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from dlfun.data.dataset import Split
from dlfun.nn.models.bert import TokenPredictor
from dlfun.plots.style import INK, LABEL, SMALL, figure, plain

SENTENCES = 10
"""Sentences that are shown."""
GUESSES = 4
"""Words that are shown of each, the likeliest first."""
SHOWN = range(8, 15)
"""Lengths of the sentences that are shown."""


def fill_in(
    model: TokenPredictor, params: Any, x: np.ndarray, length: np.ndarray, first: int
) -> tuple[np.ndarray, np.ndarray]:
    """The place of a hidden word in each sentence, the middle one, and probabilities of all words.

    `first` is the number of the first known word; the mask is the one before.
    """
    hidden_at = (length // 2).astype(np.int32)
    hidden = x.copy()
    hidden[np.arange(len(x)), hidden_at] = first - 1

    @jax.jit
    def predict(params: Any, *columns: Any) -> Any:
        logits: Any = model.apply({"params": params}, *columns)
        return jax.nn.softmax(logits[:, 0])

    columns = (jnp.asarray(column) for column in (hidden, length, hidden_at[:, None]))
    return hidden_at, np.asarray(predict(params, *columns))


def filled_in(
    model: TokenPredictor, params: Any, split: Split, words: Sequence[str], first: int
) -> Figure:
    """Sentences with a hidden word, and the likeliest words there with their probabilities."""
    middle = split["x"][np.arange(len(split["x"])), split["length"] // 2]
    known = middle >= first
    # In a small context no sentence has these lengths.
    chosen = np.flatnonzero(np.isin(split["length"], SHOWN) & known)
    chosen = chosen if len(chosen) else np.flatnonzero(known)
    chosen = chosen[:: max(1, len(chosen) // SENTENCES)][:SENTENCES]
    x, length = split["x"][chosen], split["length"][chosen]
    places, shares = fill_in(model, params, x, length, first)
    drawn = figure(
        13, 1 + 0.62 * len(chosen), "Words that the language model puts in the place of another",
        "held-out sentences; the hidden word in brackets; below, the likeliest with probabilities",
    )  # fmt: skip
    axes = drawn.subplots()
    axes.set(xlim=(0, 1), ylim=(2 * len(chosen) - 0.5, -0.5))
    axes.axis("off")
    for row, (numbers, n, place, share) in enumerate(zip(x, length, places, shares, strict=True)):
        text = [words[number] for number in numbers[:n]]
        text[place] = f"[{text[place]}]"
        axes.text(0, 2 * row, plain(" ".join(text)), fontsize=LABEL, color=INK, va="center")
        best = np.argsort(-share, kind="stable")[:GUESSES]
        guesses = "   ".join(f"{words[word]} {share[word]:.2f}" for word in best)
        axes.text(0.03, 2 * row + 0.9, plain(guesses), fontsize=SMALL, va="center")
    return drawn
