"""Parallel text: lines align, sentences end, and translations are read up to their end."""

import numpy as np
import pytest

from dlfun.data import parallel_text
from dlfun.data.parallel_text import END, columns, languages, read
from dlfun.errors import UserError


@pytest.fixture
def files(tmp_path):
    def write(source, target):
        paths = tmp_path / "text.de", tmp_path / "text.en"
        for path, content in zip(paths, (source, target), strict=True):
            path.write_text(content)
        return paths

    return write


def test_lines_are_read_in_pairs(files):
    pairs = read(*files("ein hund\n\nhunde\n", "a dog\n \ndogs"))
    assert pairs == ([["ein", "hund"], ["hunde"]], [["a", "dog"], ["dogs"]])


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        ("a\nb\nc\n", "a\n\nc\n", r"line 2 of .*text\.de has no translation in .*text\.en"),
        ("a\nb\n", "a\nb\nc\n", r"line 3 of .*text\.en has no translation in .*text\.de"),
        ("\n", "\n", r"text\.de is empty"),
    ],
)
def test_the_first_line_without_a_translation_is_named(files, source, target, words):
    with pytest.raises(UserError, match=words) as error:
        read(*files(source, target))
    assert "\n" not in str(error.value)


def test_columns_hold_sentences_and_ended_translations():
    pairs = ([["a", "b"], ["a"]], [["x"], ["x", "y", "x"]])
    known = languages(pairs, 1)
    split = columns(pairs, known)
    assert split["length"].tolist() == [2, 1]
    assert split["y_length"].tolist() == [2, 4]
    number = {word: at for at, word in enumerate(known.target)}
    assert split["y"][0].tolist() == [number["x"], number[END], 0, 0]
    assert parallel_text.words(split["y"][1].tolist(), known.target) == ["x", "y", "x"]
    assert parallel_text.words([number["y"]] * 2, known.target) == ["y", "y"]
    new = columns(([["a", "new"]], None), known)
    assert set(new) == {"x", "length"}
    np.testing.assert_array_equal(new["x"][0, 1], 1)
    with pytest.raises(UserError, match="sentence 2 is empty"):
        columns(([["a"], []], None), known)
