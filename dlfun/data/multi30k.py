"""Multi30k: captions of photographs in English, and their translations into German.

29,000 pairs to train on, 1,014 for validation, and the 1,000 of the test set of 2016 (Elliott et
al., 2016), tokenized and in lower case.
"""

from pathlib import Path

from dlfun.data import parallel_text
from dlfun.data.folders import present, roots
from dlfun.data.parallel_text import Pairs
from dlfun.errors import UserError

FOLDER = "multi30k"
PARTS = {"train": "train", "validation": "val", "test": "test_2016_flickr"}


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
