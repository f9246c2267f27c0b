"""Running text: the words of a corpus by their numbers, in pages."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from dlfun.data import brown, text
from dlfun.errors import UserError, unknown

Sentences = Callable[[], Iterator[list[str]]]
"""A function that begins to read anew: the words of one sentence after another."""


class Corpus(NamedTuple):
    """A vocabulary, the most frequent word first, and the text in pages of equal length.

    Attributes:
        words: the known words; a word's number is its position.
        x: the numbers of the known words in the order of the text.
        sentence: the number of each word's sentence. The last page is filled up with sentence -1.
    """

    words: tuple[str, ...]
    x: Int[np.ndarray, "pages page"]
    sentence: Int[np.ndarray, "pages page"]


def sentences(name: str) -> Sentences:
    """The sentences of the corpus brown, or of text:PATH, a text file or a folder of them.

    Words are lower case. Of a folder the files *.txt and *.txt.gz in it and below it are read, one
    at a time; each line is a sentence.

    Raises:
        UserError: no such corpus.
    """
    if name == "brown":
        lines = brown.sentences()
        return lambda: (line.lower().split() for line in lines)
    if not name.startswith(text.PREFIX) or name == text.PREFIX:
        raise unknown("dataset", name, ["brown"], f"{text.PREFIX}PATH")
    path = Path(name.removeprefix(text.PREFIX)).expanduser()
    found = [path] if path.is_file() else [*path.rglob("*.txt"), *path.rglob("*.txt.gz")]
    files = sorted(file for file in found if file.is_file())
    if not files:
        raise UserError(f"'{name}': no such file, nor a folder with files *.txt")
    return lambda: (text.words(line.lower()) for file in files for line in text.lines(file))


def pages(sentences: Sentences, min_count: int, length: int, window: int) -> Corpus:
    """The text in pages of `length` words, without those that occur fewer than `min_count` times.

    The text is read twice and never held as a whole.

    Raises:
        UserError: fewer than two words are known, or no more than a window of `window` words to
            each side holds; no sentence has two of them.
    """
    words = text.vocabulary(sentences(), min_count)[2:]
    number, lengths = text.numbers(words), []

    def known_words() -> Iterator[int]:
        for sentence in sentences():
            numbers = [number[word] for word in sentence if word in number]
            lengths.append(len(numbers))
            yield from numbers

    x = np.fromiter(known_words(), np.int32)
    if len(words) < 2 or len(x) <= 2 * window + 1:
        raise UserError(
            f"of the corpus {len(x):,} words are left, {len(words):,} different ones, that occur "
            f"{min_count} times or more: expected two different ones and more than the "
            f"{2 * window + 1:,} of a window; give more text, or a smaller minimum count or window"
        )
    if max(lengths) < 2:
        raise UserError(
            "the corpus has no sentence of two words: expected a sentence a line, where words have "
            "others beside them"
        )
    sentence = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    fill = (0, -len(x) % length)
    return Corpus(
        words,
        np.pad(x, fill).reshape(-1, length),
        np.pad(sentence, fill, constant_values=-1).reshape(-1, length),
    )
