"""Questions by what they ask for, "TREC": 5,452 and 500 of six classes (Li, Roth 2002)."""

from pathlib import Path

from dlfun.data import text
from dlfun.data.folders import present, roots
from dlfun.errors import UserError

FOLDER = "trec"
FILES = (
    {"train": "train_5500.label", "test": "TREC_10.label"},
    {"train": "train.txt", "test": "test.txt"},
)
CLASSES = {
    "ABBR": "abbreviation",
    "DESC": "description",
    "ENTY": "entity",
    "HUM": "human",
    "LOC": "location",
    "NUM": "number",
}

Questions = dict[str, list[str]]
"""The questions of each class."""


def questions(data_dir: Path | None = None) -> dict[str, Questions]:
    """The questions of "train" and "test", by their coarse class.

    They are read from train_5500.label and TREC_10.label, or train.txt and test.txt (each may end
    in .gz), Latin-1 with "COARSE:fine question" a line, in the folder trec of `data_dir`,
    $DLFUN_DATA or the user's cache.

    Raises:
        UserError: a file is absent or damaged.
    """
    folders = [root / FOLDER for root in roots(data_dir)]
    for names in FILES:
        for folder in folders:
            files = {split: present(folder, name) for split, name in names.items()}
            if all(files.values()):
                return {split: _read(file) for split, file in files.items() if file is not None}
    raise UserError(
        "no TREC questions: put train_5500.label and TREC_10.label of "
        f"https://cogcomp.seas.upenn.edu/Data/QA/QC into {folders[0]}"
    )


def _read(file: Path) -> Questions:
    by_class: Questions = {name: [] for name in CLASSES.values()}
    for at, line in enumerate(text.lines(file, "latin-1"), start=1):
        label, _, question = line.partition(" ")
        coarse = label.partition(":")[0]
        if coarse not in CLASSES or not question.strip():
            raise UserError(
                f"{file}, line {at}: expected COARSE:fine and a question, where COARSE is one of "
                f"{', '.join(CLASSES)}; got '{line}'"
            )
        by_class[CLASSES[coarse]].append(question.strip())
    return by_class
