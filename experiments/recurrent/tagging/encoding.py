"""Tagged sentences as arrays, and the baseline that knows each word's most frequent tag."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dlfun.data import text
from dlfun.data.dataset import Split, take
from dlfun.errors import UserError

LETTERS = 20
"""Letters of a word that are read, from its first on."""
CHARACTERS = 256
"""Characters that have numbers of their own, and padding and unknown ones."""

Sentences = Sequence[Sequence[str]]


class Numbers(NamedTuple):
    """The numbers of the tokens of a training set."""

    words: dict[str, int]
    letters: dict[str, int]
    tags: dict[str, int]
    """Numbers from 0 on, in the order of the alphabet."""


def find_numbers(train: tuple[Sentences, Sentences], min_count: int) -> Numbers:
    """The numbers of the words that occur `min_count` times, of characters and of tags."""
    words, tags = train
    letters = text.vocabulary(word for sentence in words for word in sentence)[:CHARACTERS]
    kinds = sorted({tag for sentence in tags for tag in sentence})
    vocabulary = text.vocabulary(words, min_count)
    return Numbers(*map(text.numbers, (vocabulary, letters, kinds)))


def columns(tagged: tuple[Sentences, Sentences | None], numbering: Numbers) -> Split:
    """Columns "x" [n, time], "length" [n], "letters" uint8 [n, time, 20], and "tag" [n, time].

    Without tags the sentences stay in their order, and there is no "tag"; otherwise they are sorted
    by length, so that batches of held-out ones need little padding. Raises UserError on a tag that
    the training set does not have, and on an empty sentence.
    """
    sentences, tags = tagged
    split = text.encode(sentences, numbering.words)
    letters = np.zeros((*split["x"].shape, LETTERS), np.uint8)
    spelled: dict[str, list[int]] = {}
    for row, sentence in zip(letters, sentences, strict=True):
        for cell, word in zip(row, sentence, strict=False):
            if word not in spelled:
                spelled[word] = [numbering.letters.get(letter, 1) for letter in word[:LETTERS]]
            cell[: len(spelled[word])] = spelled[word]
    split["letters"] = letters
    if tags is None:
        return split
    if strange := {tag for sentence in tags for tag in sentence} - set(numbering.tags):
        raise UserError(f"the training set has no tag '{min(strange)}', which is to be tested")
    split["tag"] = np.zeros_like(split["x"])
    for row, sentence in zip(split["tag"], tags, strict=True):
        row[: len(sentence)] = [numbering.tags[tag] for tag in sentence]
    return take(split, np.argsort(split["length"], kind="stable"))


def most_frequent_tag_accuracy(
    train: tuple[Sentences, Sentences], test: tuple[Sentences, Sentences]
) -> float:
    """Share of test words whose tag is their most frequent in training.

    A word that does not occur there gets the tag that words which occur there once have most often.
    """
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for words, tags in zip(*train, strict=True):
        for word, tag in zip(words, tags, strict=True):
            counts[word][tag] += 1
    once = Counter(tag for count in counts.values() if count.total() == 1 for tag in count)
    rare = (once or sum(counts.values(), Counter())).most_common(1)[0][0]
    best = {word: count.most_common(1)[0][0] for word, count in counts.items()}
    pairs = [pair for ws, ts in zip(*test, strict=True) for pair in zip(ws, ts, strict=True)]
    return float(np.mean([best.get(word, rare) == tag for word, tag in pairs]))
