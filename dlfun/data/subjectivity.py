"""Subjectivity, "SUBJ": 5,000 sentences of reviews and 5,000 of plots (Pang, Lee 2004)."""

from pathlib import Path

from dlfun.data import text
from dlfun.data.folders import present, roots
from dlfun.errors import UserError

FOLDER = "subjectivity"
FILES = {
    "objective": ("plot.tok.gt9.5000", "latin-1"),
    "subjective": ("quote.tok.gt9.5000", "latin-1"),
}
"""The files of the authors, and their encoding."""


def sentences(data_dir: Path | None = None) -> dict[str, list[str]]:
    """The sentences of each class, lower case.

    They are read from plot.tok.gt9.5000 and quote.tok.gt9.5000, Latin-1, or objective.txt and
    subjective.txt, UTF-8 (each may end in .gz), in the folder subjectivity of `data_dir`,
    $DLFUN_DATA or the user's cache.

    Raises:
        UserError: a file is absent or damaged.
    """
    folders = [root / FOLDER for root in roots(data_dir)]
    for names in (FILES, {name: (f"{name}.txt", "utf-8") for name in FILES}):
        for folder in folders:
            files = {name: present(folder, file) for name, (file, _) in names.items()}
            if all(files.values()):
                return {n: text.lines(f, names[n][1]) for n, f in files.items() if f is not None}
    raise UserError(
        "no subjective sentences: put plot.tok.gt9.5000 and quote.tok.gt9.5000, subjectivity "
        "dataset v1.0 of https://www.cs.cornell.edu/people/pabo/movie-review-data, into "
        f"{folders[0]}"
    )
