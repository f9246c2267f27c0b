"""Sentences and their translations: two files line by line, as padded rows of numbers."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from dlfun.data import text
from dlfun.data.dataset import Split
from dlfun.errors import UserError

END = "<end>"
"""Ends each translation, and comes before the first word of one that is being written."""

Sentences = Sequence[Sequence[str]]
Pairs = tuple[Sentences, Sentences]
"""The words of sentences, and those of their translations."""


class Languages(NamedTuple):
    """The vocabularies of the two languages."""

    source: tuple[str, ...]
    target: tuple[str, ...]


def read(source: Path, target: Path) -> Pairs:
    """The words of two files whose lines translate each other; words stand between spaces.

    Lines that are blank in both are left out.

    Raises:
        UserError: a file that is missing, empty or not UTF-8; the first line that is blank, or
            missing, in one file alone.
    """
    lines = [re.split(r"\r\n|\n|\r", text.read(file).rstrip()) for file in (source, target)]
    longest = max(map(len, lines))
    rows = [[line.split() for line in part] + [[]] * (longest - len(part)) for part in lines]
    for at, pair in enumerate(zip(*rows, strict=True), start=1):
        if bool(pair[0]) != bool(pair[1]):
            alone, other = (source, target) if pair[0] else (target, source)
            raise UserError(f"line {at} of {alone} has no translation in {other}")
    kept = [[words for words in part if words] for part in rows]
    if not kept[0]:
        raise UserError(f"{source} is empty: expected a sentence a line")
    return kept[0], kept[1]


def languages(pairs: Pairs, min_count: int) -> Languages:
    """The words of each language that occur `min_count` times, and `END` of the second."""
    sources, targets = pairs
    return Languages(
        text.vocabulary(sources, min_count), text.vocabulary(ended(targets), min_count)
    )


def columns(pairs: tuple[Sentences, Sentences | None], vocabularies: Languages) -> Split:
    """Columns "x" int32 [n, time] and "length" int32 [n]; "y" and "y_length" of the translations.

    The last number of a translation is that of `END`, which `y_length` counts. Sources have none:
    at a high learning rate it drew all attention to itself. Raises UserError on an empty sentence.
    """
    sources, targets = pairs
    split = text.encode(sources, text.numbers(vocabularies.source))
    if targets is not None:
        y = text.encode(ended(targets), text.numbers(vocabularies.target))
        split |= {"y": y["x"], "y_length": y["length"]}
    return split


def ended(sentences: Sentences) -> list[list[str]]:
    """Sentences with `END` after the last word; empty ones stay empty."""
    return [[*sentence, END] if sentence else [] for sentence in sentences]


def words(numbers: Sequence[int], vocabulary: Sequence[str]) -> list[str]:
    """The words of a translation, up to its end."""
    sentence = [vocabulary[number] for number in numbers]
    return sentence[: sentence.index(END)] if END in sentence else sentence
