"""Tests of word vectors: how alike people find pairs of words, and analogies.

WordSim-353 (Finkelstein et al. 2002), MEN (Bruni et al. 2014), SimLex-999 (Hill et al. 2015), and
the analogies of Mikolov et al. (2013).
"""

from pathlib import Path
from typing import NamedTuple

from dlfun.data import text
from dlfun.data.folders import present, roots
from dlfun.errors import UserError

FOLDER = "word_similarity"
FILES = {"wordsim": "wordsim353.tsv", "men": "men3000.tsv", "simlex": "simlex999.tsv"}
ANALOGIES = "questions-words.txt"

Pairs = list[tuple[str, str, float]]
"""Two words, lower case, and the mean of people's scores: higher is more alike."""


class WordTests(NamedTuple):
    """The pairs of each set by its name, and the analogies of each section."""

    pairs: dict[str, Pairs]
    analogies: dict[str, list[tuple[str, str, str, str]]]
    """a is to b as c is to d, lower case. The names of grammatical sections begin with "gram"."""


def load(data_dir: Path | None = None) -> WordTests:
    """The tests, from the folder word_similarity of `data_dir`, $DLFUN_DATA or the user's cache.

    It holds wordsim353.tsv, men3000.tsv and simlex999.tsv, with two words and their score between
    tabs a line, and questions-words.txt as word2vec has it; each may end in .gz.

    Raises:
        UserError: a file is absent or damaged; a line of another form.
    """
    folders = [root / FOLDER for root in roots(data_dir)]
    for folder in folders:
        names = (*FILES.values(), ANALOGIES)
        files = [file for name in names if (file := present(folder, name))]
        if len(files) == len(names):
            pairs = dict(zip(FILES, map(_pairs, files[:-1]), strict=True))
            return WordTests(pairs, _analogies(files[-1]))
    raise UserError(
        f"no tests of word vectors: put {', '.join(FILES.values())}, with two words and their "
        f"score between tabs a line, and {ANALOGIES} of word2vec into {folders[0]}"
    )


def _pairs(file: Path) -> Pairs:
    pairs = []
    for at, line in enumerate(text.lines(file), start=1):
        try:
            a, b, score = line.lower().split("\t")
            pairs.append((a, b, float(score)))
        except ValueError:
            raise UserError(
                f"{file}, line {at}: expected two words and a number between tabs, got '{line}'"
            ) from None
    return pairs


def _analogies(file: Path) -> dict[str, list[tuple[str, str, str, str]]]:
    sections: dict[str, list[tuple[str, str, str, str]]] = {}
    name = "analogies"
    for at, line in enumerate(text.lines(file), start=1):
        words = line.lower().split()
        if words[0] == ":":
            name = " ".join(words[1:])
        elif len(words) == 4:
            a, b, c, d = words
            sections.setdefault(name, []).append((a, b, c, d))
        else:
            raise UserError(f"{file}, line {at}: expected four words, got '{line}'")
    return sections
