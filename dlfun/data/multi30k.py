"""Multi30k: captions of photographs in English, and their translations into German.

29,000 pairs to train on, 1,014 for validation, and the 1,000 of the test set of 2016 (Elliott et
al., 2016), tokenized and in lower case.
"""

import html
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from dlfun.data import parallel_text
from dlfun.data.folders import present, roots
from dlfun.data.parallel_text import Pairs
from dlfun.errors import UserError

FOLDER = "multi30k"
PARTS = {"train": "train", "validation": "val", "test": "test_2016_flickr"}
_ABBREVIATIONS = r"(?:bzw|ca|dr|mr|mrs|nr|st|usw)\."
_TOKEN = re.compile(
    rf"\b{_ABBREVIATIONS}(?=\s+\S)|\b(?:\w\.){{2,}}|\d+(?:[.,]\d+)+|[\w-]+|\.{{2,}}|\S"
)
_PLAIN = str.maketrans(
    {**dict.fromkeys("„“”«»", '"'), **dict.fromkeys("‚‘’´`", "'"), "–": "-", "—": "-", "…": "..."}
)
"""Marks as the files have them, whose punctuation Moses has normalized."""
_ESCAPED = {"&": "&amp;", '"': "&quot;", "'": "&apos;", "<": "&lt;", ">": "&gt;"}


def words(sentence: str) -> list[str]:
    """The words of a German sentence as the files have them: 'Ein T-Shirt.' → ein, t-shirt, "."

    They are those of Moses's tokenizer in lower case: words keep their hyphens, marks stand alone,
    and quotation marks, apostrophes and some others are written as in HTML. A sentence of the files
    gives its own words, but for 3 in 1,000 where a full stop in the middle stayed on its word.
    Letters with a mark may be written as one character or as two.
    """
    composed = unicodedata.normalize("NFC", html.unescape(sentence.lower()))
    tokens = _TOKEN.findall(composed.translate(_PLAIN))
    return [_ESCAPED.get(token, token) for token in tokens]


def plain(sentence: Sequence[str]) -> str:
    """Words with spaces between them, and the marks that `words` escapes as they are read."""
    return html.unescape(" ".join(sentence))


def sentences(data_dir: Path | None = None) -> dict[str, Pairs]:
    """The German and the English sentences of "train", "validation" and "test".

    They are read from the files train.lc.norm.tok.de and .en, val… and test_2016_flickr… (each may
    end in .gz) in the folder multi30k of `data_dir`, $DLFUN_DATA or the user's cache.

    Raises:
        UserError: a file is absent or damaged.
    """
    folders = [root / FOLDER for root in roots(data_dir)]
    for folder in folders:
        files = {
            split: [present(folder, f"{part}.lc.norm.tok.{language}") for language in ("de", "en")]
            for split, part in PARTS.items()
        }
        if all(file for pair in files.values() for file in pair):
            return {s: parallel_text.read(de, en) for s, (de, en) in files.items() if de and en}
    raise UserError(
        "no Multi30k: put train.lc.norm.tok.de and .en, val… and test_2016_flickr… of "
        f"https://github.com/multi30k/dataset (data/task1/tok) into {folders[0]}"
    )
