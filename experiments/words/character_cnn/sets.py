"""Sets of sentences for networks of characters: one fold is tested on."""

from collections.abc import Sequence
from typing import Any

from dlfun.algorithms.naive_bayes import fold_accuracies
from dlfun.data import characters, sentence_sets, text
from dlfun.data.sentence_sets import SentenceSet
from dlfun.experiment import Inputs

FOLDS = 10


def read(name: str, seed: int) -> SentenceSet:
    """A set whose fold 0 is tested on: a tenth, or the test set where there is one."""
    return sentence_sets.load(name, FOLDS, seed)._replace(folds=1)


def bayes_accuracy(config: Any) -> float:
    """The accuracy of naive Bayes on the words of the same sentences."""
    given = read(config.dataset, config.seed)
    words = sentence_sets.by_words(given.sentences)
    x = text.encode(words, text.numbers(text.vocabulary(words, min_count=2)))["x"]
    return fold_accuracies(x, given.label, (given.fold > 0).astype(given.fold.dtype))[0]


def sentence_inputs(
    items: Sequence[str], alphabet: str, length: int, backward: bool = False
) -> Inputs:
    """The characters of sentences, or of files with one a line."""
    sentences = text.sentences(items)
    return Inputs(sentences, {"x": characters.encode(sentences, alphabet, length, backward)})
