"""Tiny Shakespeare: 1,115,394 characters of Shakespeare's plays (Karpathy 2015)."""

import hashlib
from pathlib import Path

import numpy as np
from jaxtyping import Int

from dlfun.data import tfds
from dlfun.data.folders import present, roots
from dlfun.data.text import PREFIX, read
from dlfun.errors import UserError, unknown

FOLDER, FILE = "tiny_shakespeare", "input.txt"
SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
"""SHA-256 of the uncompressed text."""
MOST = 6_000
"""Different characters of a text at most: their number to the power of 5 fits in 64 bits."""


def text(data_dir: Path | None = None) -> str:
    """Read the whole text.

    It is read from input.txt or input.txt.gz in the folder tiny_shakespeare of `data_dir`,
    $DLFUN_DATA or the user's cache; else by TFDS, whose three splits are consecutive parts of it.

    Raises:
        UserError: the text is absent and cannot be downloaded, or its SHA-256 is wrong.
    """
    folders = [root / FOLDER for root in roots(data_dir)]
    for folder in folders:
        if file := present(folder, FILE):
            return _check(read(file), str(file))
    try:
        splits = tfds.texts(FOLDER, data_dir)
    except UserError as error:
        raise UserError(f"{error}; or put {FILE} of char-rnn into {folders[0]}") from error
    parts = ("train", "validation", "test")
    return _check("".join(part for split in parts for part in splits[split]), f"tfds:{FOLDER}")


def tokens(
    name: str = FOLDER, validation: float = 0.0
) -> tuple[dict[str, Int[np.ndarray, " n"]], tuple[str, ...]]:
    """The characters of each split by their numbers, and the character that each stands for.

    `name` is tiny_shakespeare, or "text:FILE" of a text of the user's. The first 90 % are "train"
    and the rest "test", as nanoGPT divides the text; a share for validation is the end of what is
    left to train on.

    Raises:
        UserError: an unknown name; a file that is missing, empty, not UTF-8, or has more different
            characters than can be counted five by five.
    """
    if name != FOLDER and (name == PREFIX or not name.startswith(PREFIX)):
        raise unknown("dataset", name, [FOLDER], f"{PREFIX}FILE")
    whole = text() if name == FOLDER else read(Path(name.removeprefix(PREFIX)).expanduser())
    characters, numbers = np.unique(list(whole), return_inverse=True)
    if not 0 < len(characters) <= MOST:
        raise UserError(
            f"{name} has {len(characters):,} different characters: expected 1 to {MOST:,}"
        )
    train, test = np.split(numbers, [int(0.9 * len(numbers))])
    parts = {"train": train, "test": test}
    if held := round(validation * len(train)):
        parts |= {"train": train[:-held], "validation": train[-held:]}
    return parts, tuple(characters.tolist())


def _check(characters: str, origin: str) -> str:
    digest = hashlib.sha256(characters.encode()).hexdigest()
    if digest != SHA256:
        raise UserError(f"{origin} is not the expected text: its SHA-256 is {digest}, not {SHA256}")
    return characters
