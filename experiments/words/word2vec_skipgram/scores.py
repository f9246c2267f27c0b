"""Scores of word vectors: similarity as people judge it, analogies, and neighbours."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import spearmanr

from dlfun.data import text
from dlfun.data.word_similarity import Pairs
from dlfun.data.word_vectors import WordVectors

AT_ONCE = 1_000
"""Analogies that are answered at once: each takes a number for every word."""


def unit(vectors: Float[np.ndarray, "words size"]) -> Float[np.ndarray, "words size"]:
    """The vectors at length 1."""
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def similarity(embedding: WordVectors, pairs: Pairs) -> tuple[float, int]:
    """Spearman's ρ between cosines and people's scores of pairs, and the number of known pairs.

    Both words of a known pair have a vector; ρ is nan where fewer than two pairs are known.
    """
    number, vectors = text.numbers(embedding.words), unit(embedding.vectors)
    scored_pairs = [
        (number[a], number[b], score) for a, b, score in pairs if {a, b} <= number.keys()
    ]
    if len(scored_pairs) < 2:
        return float("nan"), len(scored_pairs)
    first, second, scores = map(np.array, zip(*scored_pairs, strict=True))
    cosines = (vectors[first] * vectors[second]).sum(axis=1)
    return float(spearmanr(cosines, scores).statistic), len(scored_pairs)


def analogies(
    embedding: WordVectors, sections: Mapping[str, Sequence[tuple[str, str, str, str]]]
) -> dict[str, tuple[int, int]]:
    """Right answers and questions of known words in each section that has some.

    "a is to b as c is to" is answered by the word, none of the three, whose vector has the greatest
    cosine with b - a + c, of vectors at length 1 (3CosAdd; Mikolov et al. 2013).
    """
    number, vectors = text.numbers(embedding.words), unit(embedding.vectors)
    counted = {}
    for name, questions in sections.items():
        indexed = [[number[w] for w in words] for words in questions if set(words) <= number.keys()]
        right = 0
        for start in range(0, len(indexed), AT_ONCE):
            given = np.array(indexed[start : start + AT_ONCE])
            a, b, c, d = given.T
            scores = (vectors[b] - vectors[a] + vectors[c]) @ vectors.T
            scores[np.arange(len(given))[:, None], given[:, :3]] = -np.inf
            right += int((scores.argmax(axis=1) == d).sum())
        if indexed:
            counted[name] = right, len(indexed)
    return counted


def nearest_words(
    cosines: Float[np.ndarray, " words"], word: int, count: int
) -> Int[np.ndarray, " count"]:
    """The numbers of the `count` nearest words, the nearest first, without the word itself."""
    order = np.argsort(-cosines, kind="stable")
    return order[order != word][:count]
