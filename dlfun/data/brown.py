"""The Brown corpus: 57,340 sentences of American prose of 1961 (Francis, Kučera 1964)."""

from pathlib import Path

from dlfun.data import text
from dlfun.data.folders import present, roots
from dlfun.errors import UserError

FOLDER, FILE = "brown", "brown.txt"


def sentences(data_dir: Path | None = None) -> list[str]:
    """The sentences, their 1,161,192 words and marks between spaces.

    They are read from brown.txt (or .gz), a sentence a line, in the folder brown of `data_dir`,
    $DLFUN_DATA or the user's cache.

    Raises:
        UserError: the file is absent or damaged.
    """
    folders = [root / FOLDER for root in roots(data_dir)]
    for folder in folders:
        if file := present(folder, FILE):
            return text.lines(file)
    raise UserError(
        f"no Brown corpus: put {FILE}, with a sentence a line and spaces between words, into "
        f"{folders[0]}; NLTK's brown.sents() gives the sentences"
    )
