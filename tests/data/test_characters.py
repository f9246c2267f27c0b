"""Sentences as characters."""

import numpy as np
import pytest

from dlfun.data.characters import CONNEAU, ZHANG, encode
from dlfun.errors import UserError


def test_alphabets_have_the_papers_sizes():
    assert (len(ZHANG), len({*ZHANG})) == (70, 69)
    assert len({*CONNEAU}) + 2 == 69  # Padding and unknown ones are the paper's other tokens.


def test_characters_are_numbered_from_2_and_cut():
    x = encode(["Ab c!", "é😀a"], "abc", 4)
    np.testing.assert_array_equal(x, [[2, 3, 1, 4], [1, 1, 2, 0]])
    assert x.dtype == np.uint8
    np.testing.assert_array_equal(encode(["abcab"], "abc", 4, backward=True), [[2, 4, 3, 2]])


def test_an_empty_sentence():
    with pytest.raises(UserError, match="sentence 2 is empty"):
        encode(["a", ""], "abc", 4)
