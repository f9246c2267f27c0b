"""Sums of two numbers as sequences of characters."""

import re
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from dlfun.data.dataset import Split
from dlfun.errors import UserError

CHARACTERS = " +0123456789"
"""The characters, by their numbers."""
NUMBER = {character: number for number, character in enumerate(CHARACTERS)}


def draw_sums(digits: int, count: int) -> Int[np.ndarray, "count 2"]:
    """Pairs of numbers, each of one to `digits` random digits; no pair comes twice, nor mirrored.

    They are the same in every training. Raises UserError where there are fewer of them.
    """
    if count > (most := 10**digits * (10**digits + 1) // 2):
        raise UserError(f"--examples must be at most {most:,} for --digits {digits}, not {count:,}")
    random = np.random.Generator(np.random.Philox(key=0))
    shape = (20 * count, 2)
    pairs = random.integers(0, 10 ** random.integers(1, digits + 1, shape))
    codes = pairs.min(1) * 10**digits + pairs.max(1)
    _, first = np.unique(codes, return_index=True)
    if len(first) < count:
        raise UserError(
            f"--examples {count:,} is too many for --digits {digits}: of {len(pairs):,} sums that "
            f"were drawn, only {len(first):,} are different"
        )
    return pairs[np.sort(first)[:count]]


def encode(
    sums: Sequence[Sequence[int]] | Int[np.ndarray, "n 2"], digits: int, reverse: bool
) -> Split:
    """Columns "x" int32 [n, 2 digits + 1], the question, and "y" int32 [n, digits + 1], the answer.

    Both are filled up with spaces at the end, before the question is reversed.
    """
    questions = [f"{a}+{b}".ljust(2 * digits + 1)[:: -1 if reverse else 1] for a, b in sums]
    answers = [str(a + b).ljust(digits + 1) for a, b in sums]
    return {"x": _numbers(questions), "y": _numbers(answers)}


def parse(item: str, digits: int) -> tuple[int, int]:
    """The two numbers of an item such as "535+61". Raises UserError where it is no such sum."""
    match = re.fullmatch(r"\s*([0-9]+)\s*\+\s*([0-9]+)\s*", item)
    if not match or max(map(len, match.groups())) > digits:
        raise UserError(
            f"'{item}' is no sum of two numbers of at most {digits} digits, such as 12+3"
        )
    a, b = match.groups()
    return int(a), int(b)


def text(numbers: Int[np.ndarray, " time"]) -> str:
    """Characters by their numbers, without the spaces around them."""
    return "".join(CHARACTERS[number] for number in numbers).strip()


def _numbers(texts: Sequence[str]) -> Int[np.ndarray, "n time"]:
    return np.array([[NUMBER[character] for character in text] for text in texts], np.int32)
