"""Sentences as rows of characters of one length."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8

from dlfun.errors import UserError

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
ZHANG = LETTERS + "-,;.!?:'\"/\\|_@#$%^&*~`+-=<>()[]{}\n"
"""The 70 characters of Zhang et al. (2015), who name the hyphen twice: the second one counts."""
CONNEAU = LETTERS + "-,;.!?:'\"/|_#$%^&*~`+=<>()[]{} "
"""66 characters and the blank; with padding and unknown ones, 69 tokens (Conneau et al. 2017)."""


def encode(
    sentences: Sequence[str], alphabet: str, length: int, backward: bool = False
) -> UInt8[np.ndarray, "n length"]:
    """The numbers of the first `length` characters of each sentence, lower case.

    They count from 2 in the alphabet; 1 stands for any other character, 0 where there is none.
    `backward` puts the last character that is read first.

    Raises:
        UserError: a sentence without characters, by its place.
    """
    number = np.ones(256 * 256, np.uint8)
    number[[ord(character) for character in alphabet]] = np.arange(2, len(alphabet) + 2)
    x = np.zeros((len(sentences), length), np.uint8)
    for at, (row, sentence) in enumerate(zip(x, sentences, strict=True), start=1):
        if not sentence:
            raise UserError(f"sentence {at} is empty: expected characters")
        codes = [min(ord(character), number.size - 1) for character in sentence.lower()[:length]]
        row[: len(codes)] = number[codes[::-1] if backward else codes]
    return x
