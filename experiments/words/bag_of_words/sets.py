"""The three sets of sentences as one, and words as one-hot vectors."""

from collections.abc import Sequence

import numpy as np

from dlfun.data import sentence_sets, text
from dlfun.data.dataset import Split

SETS = {
    "mr": "movie reviews (MR)",
    "subj": "subjectivity (SUBJ)",
    "trec": "questions (TREC)",
}
"""The sets, as figures call them; a sentence's "set" is the position of its own."""


def columns(folds: int, min_count: int, seed: int) -> Split:
    """Sentences of all sets: "counted", "one_hot", "label", "fold" and "set".

    "counted" holds the words, numbered in each set for itself and filled up with 0, and "one_hot"
    the same with 0 in the place of a word that came before in the sentence. TREC's test set is fold
    0 and its training set fold 1.
    """
    parts = []
    for number, name in enumerate(SETS):
        given = sentence_sets.load(name, folds, seed)
        words = sentence_sets.by_words(given.sentences)
        x = text.encode(words, text.numbers(text.vocabulary(words, min_count)))["x"]
        of_set = np.full(len(x), number, np.int32)
        parts.append({"counted": x, "label": given.label, "fold": given.fold, "set": of_set})
    width = max(part["counted"].shape[1] for part in parts)
    for part in parts:
        x = np.pad(part["counted"], [(0, 0), (0, width - part["counted"].shape[1])])
        part |= {"counted": x, "one_hot": without_repeats(x)}
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def without_repeats(x: np.ndarray) -> np.ndarray:
    """Rows of words with 0 in the place of each that came before in its row."""
    order = np.argsort(x, axis=1, kind="stable")
    in_order = np.take_along_axis(x, order, axis=1)
    again = np.zeros_like(x, bool)
    np.put_along_axis(again, order[:, 1:], in_order[:, 1:] == in_order[:, :-1], axis=1)
    return np.where(again, 0, x)


def one_hot_cosine(pairs: Sequence[tuple[str, str]]) -> float:
    """The mean cosine of the one-hot vectors of some pairs of words."""
    number = text.numbers(sorted({word for pair in pairs for word in pair}))
    vectors = np.eye(len(number))
    return float(np.mean([vectors[number[a]] @ vectors[number[b]] for a, b in pairs]))
