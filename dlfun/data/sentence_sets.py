"""Sets of labelled sentences by name, in folds that are left out of a training to be tested on."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from dlfun.data import movie_reviews, subjectivity, text, tfds, trec
from dlfun.data.dataset import Split, take
from dlfun.data.folds import balanced_folds
from dlfun.errors import unknown

AG_NEWS = "ag_news_subset"
"""TFDS's name of AG News."""
HELP = (
    "mr, movie reviews that praise or do not; subj, sentences that are subjective or not; trec, "
    "questions by what they ask for; ag_news, news by subject, through TFDS; or text:PATH, a "
    "folder with a file CLASS.txt of each class, a sentence a line."
)
"""Help of the flag `--dataset`: the names that `load` knows."""


class SentenceSet(NamedTuple):
    """Sentences with the numbers of their classes and of their folds.

    A network for each of the `folds` folds is trained on the sentences of the others. Of a set that
    comes with a test set this is fold 0, `folds` is 1, and fold 1 is trained on alone.
    """

    name: str
    sentences: list[str]
    label: Int[np.ndarray, " n"]
    fold: Int[np.ndarray, " n"]
    classes: tuple[str, ...]
    folds: int


def load(name: str, folds: int, seed: int) -> SentenceSet:
    """Read the set `name` (see `HELP`); draw folds by the seed where it has no test set.

    Raises:
        UserError: an unknown set; one that is absent or damaged; a class of fewer sentences than
            folds.
    """
    sources = {"mr": movie_reviews.sentences, "subj": subjectivity.sentences}
    tested = {
        "trec": trec.questions,
        "ag_news": lambda: tfds.labelled_texts(AG_NEWS, ("title", "description")),
    }
    if name in tested:
        by_split = tested[name]()
        parts = [by_split["test"], by_split["train"]]
    elif name in sources:
        parts = [sources[name]()]
    elif name.startswith(text.PREFIX) and name != text.PREFIX:
        parts = [text.classes(Path(name.removeprefix(text.PREFIX)).expanduser())]
    else:
        raise unknown("dataset", name, [*sources, *tested], f"{text.PREFIX}PATH")
    classes = tuple(parts[-1])
    sentences = [s for part in parts for name in classes for s in part.get(name, [])]
    sizes = np.array([[len(part.get(name, [])) for name in classes] for part in parts])
    label = np.repeat(np.tile(np.arange(len(classes)), len(parts)), sizes.ravel()).astype(np.int32)
    if len(parts) > 1:
        fold = np.repeat(np.arange(2), sizes.sum(axis=1)).astype(np.int32)
        return SentenceSet(name, sentences, label, fold, classes, 1)
    fold = balanced_folds(label, folds, seed, classes)
    return SentenceSet(name, sentences, label, fold, classes, folds)


def splits(given: SentenceSet, columns: Split) -> dict[str, Split]:
    """Splits "train" and "test" of a set with such columns of its sentences, "label" and "fold".

    In folds, all sentences are "train" and all are "test". Those of "test" are sorted by fold and
    by the column "length" if there is one: what is evaluated together is then of few folds, and has
    similar lengths.
    """
    split = {**columns, "label": given.label, "fold": given.fold}
    length = columns.get("length", np.zeros(len(given.label)))
    if given.folds > 1:
        return {"train": split, "test": take(split, np.lexsort((length, given.fold)))}
    split = take(split, np.argsort(length, kind="stable"))
    return {
        name: take(split, np.flatnonzero((split["fold"] == 0) == (name == "test")))
        for name in ("train", "test")
    }


def by_words(sentences: Iterable[str]) -> list[list[str]]:
    """The words of each sentence, lower case."""
    return [text.words(sentence.lower()) for sentence in sentences]
