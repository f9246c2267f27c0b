"""Movie reviews, "MR": 5,331 positive and 5,331 negative sentences (Pang, Lee 2005)."""

from pathlib import Path

from dlfun.data import text
from dlfun.data.folders import present, roots
from dlfun.errors import UserError

FOLDER = "rotten_tomatoes"
FILES = {"negative": "rt-polarity.neg", "positive": "rt-polarity.pos"}


def sentences(data_dir: Path | None = None) -> dict[str, list[str]]:
    """The sentences of each class, lower case.

    They are read from rt-polarity.neg and rt-polarity.pos (or .gz), Latin-1, in the folder
    rotten_tomatoes of `data_dir`, $DLFUN_DATA or the user's cache.

    Raises:
        UserError: a file is absent or damaged.
    """
    folders = [root / FOLDER for root in roots(data_dir)]
    for folder in folders:
        files = {name: present(folder, file) for name, file in FILES.items()}
        if all(files.values()):
            return {name: text.lines(f, "latin-1") for name, f in files.items() if f is not None}
    raise UserError(
        "no movie reviews: put rt-polarity.neg and rt-polarity.pos, sentence polarity dataset v1.0 "
        f"of https://www.cs.cornell.edu/people/pabo/movie-review-data, into {folders[0]}"
    )
