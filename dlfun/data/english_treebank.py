"""The English Web Treebank of Universal Dependencies: sentences with parts of speech.

12,544 sentences to train on, 2,001 and 2,077 held out, 17 universal parts of speech (Silveira et
al. 2014).
"""

from pathlib import Path

from dlfun.data import text
from dlfun.data.folders import present, roots
from dlfun.errors import UserError

FOLDER = "ud_english_ewt"
PARTS = {"train": "train", "validation": "dev", "test": "test"}

Tagged = tuple[list[list[str]], list[list[str]]]
"""The words of each sentence, and their tags."""


def sentences(data_dir: Path | None = None) -> dict[str, Tagged]:
    """The tagged sentences of "train", "validation" and "test".

    They are read from the files en_ewt-ud-train.conllu, …-dev and …-test, or train.tsv, dev.tsv and
    test.tsv with a word, a tab and its tag a line (each may end in .gz), in the folder
    ud_english_ewt of `data_dir`, $DLFUN_DATA or the user's cache.

    Raises:
        UserError: a file is absent or damaged.
    """
    folders = [root / FOLDER for root in roots(data_dir)]
    for pattern, columns in (("en_ewt-ud-{}.conllu", (1, 3)), ("{}.tsv", (0, 1))):
        for folder in folders:
            files = {s: present(folder, pattern.format(part)) for s, part in PARTS.items()}
            if all(files.values()):
                return {s: text.tagged(f, *columns) for s, f in files.items() if f is not None}
    raise UserError(
        "no English Web Treebank: put en_ewt-ud-train.conllu, -dev and -test of "
        f"https://github.com/UniversalDependencies/UD_English-EWT into {folders[0]}"
    )
