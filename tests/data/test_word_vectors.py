"""Files of word vectors: what was written is read again, and damage is named in one line."""

import numpy as np
import pytest

from dlfun.data.word_vectors import read, write
from dlfun.errors import UserError

WORDS = ("the", "café", "n't", "``")
VECTORS = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)


def saved(path, content=None):
    with path.open("wb") as file:
        if content is None:
            write(file, WORDS, VECTORS, binary=path.suffix == ".bin")
        else:
            file.write(content)
    return path


@pytest.mark.parametrize("name", ["vectors.txt", "vectors.bin"])
def test_what_was_written_is_read_again(tmp_path, name):
    words, vectors = read(saved(tmp_path / name))
    assert words == WORDS
    np.testing.assert_array_equal(vectors, VECTORS)


def test_other_programs_files_are_read(tmp_path):
    """GloVe's have no first line; some binary files have no line feed after a vector."""
    glove = saved(tmp_path / "glove.txt", b"a 1.5 -2\nb 3e-1 4\n. . . 5 6\n")
    words, vectors = read(glove)
    assert words == ("a", "b", ". . .")
    np.testing.assert_array_equal(vectors, np.array([[1.5, -2], [0.3, 4], [5, 6]], np.float32))
    records = b"".join(w.encode() + b" " + v.tobytes() for w, v in zip(WORDS, VECTORS, strict=True))
    words, vectors = read(saved(tmp_path / "a.bin", b"4 3\n" + records))
    assert words == WORDS
    np.testing.assert_array_equal(vectors, VECTORS)
    words, vectors = read(saved(tmp_path / "bom.txt", b"\xef\xbb\xbf1 2\r\na 1 2\r\n"))
    assert (words, vectors.tolist()) == (("a",), [[1, 2]])


@pytest.mark.parametrize("name", ["vectors.txt", "vectors.bin"])
def test_a_file_cut_anywhere_is_refused(tmp_path, name):
    whole = saved(tmp_path / name).read_bytes()
    # The last line feed may be left out, and a text's last number may be cut to another.
    for length in range(len(whole) - (20 if name.endswith(".txt") else 1)):
        with pytest.raises(UserError) as caught:
            read(saved(tmp_path / name, whole[:length]))
        assert "\n" not in str(caught.value)


ONE = np.ones(2, "<f4").tobytes()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        (
            "a.txt",
            b"2 2\na 1 2\nb 1\n",
            "line 3: expected a word and 2 numbers, as line 1 has it, got 2",
        ),
        (
            "a.txt",
            b"a 1 2\nb 1 2 3\n",
            "line 2: expected a word and 2 numbers, as line 1 has it, got 4",
        ),
        ("a.txt", b"2 2\na 1 2\na 3 4\n", "line 3: 'a' is on line 2, too"),
        ("a.txt", b"2 1\na 1\n\xff\xfe 1\n", r"line 3: b'\xff\xfe' is not UTF-8"),
        (
            "a.txt",
            b"-1 2\na 1 2\n",
            "line 2: expected a word and 1 numbers, as line 1 has it, got 3",
        ),
        ("a.txt", b"9" * 5000 + b" 2\na 1 2\n", "line 2: expected a word and 1 numbers"),
        ("a.txt", b"2 " + b"9" * 5000 + b"\na 1 2\n", "line 1: '2' has a number not finite"),
        ("a.txt", b"1 2\na 1 1e60\n", "line 2: 'a' has a number not finite"),
        ("a.bin.gz", b"\x1f\x8b\x08\x00", "is compressed: expected word vectors"),
        ("a.bin", b"2 0\na b ", "states vectors of 0 numbers: expected 1 or more"),
        ("a.txt", b"1 2\na 1 x\n", "line 2: a field is no number"),
        ("a.txt", b"1 2\na 1 nan\n", "line 2: 'a' has a number not finite"),
        ("a.txt", b"3 1\na 1\nb 1\n", "states 3 words and has 2: is it truncated?"),
        ("a.txt", b"", "holds no word vectors"),
        ("a.bin", b"", "does not begin with a line of two numbers"),
        ("a.bin", b"word vectors of mine\n", "does not begin with a line of two numbers"),
        ("a.bin", b"9999999999 300\na ", "truncated: it states 9,999,999,999 words of 300 numbers"),
        ("a.bin", b"2 2\na " + ONE + b"\na " + ONE, "line 3: 'a' is on line 2, too"),
        ("a.bin", b"1 2\n\xff " + ONE, r"line 2: b'\xff' is not UTF-8"),
        ("a.bin", b"1 2\na " + ONE + b"\nb", "goes on after the 1 words that it states"),
        ("a.bin", b"1 1\na " + np.float32(np.inf).tobytes(), "line 2: 'a' has a number not finite"),
    ],
)
def test_damage_is_named(tmp_path, name, content, words):
    with pytest.raises(UserError) as caught:
        read(saved(tmp_path / name, content))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_word_with_a_blank(tmp_path):
    with pytest.raises(UserError, match=r"none\.bin cannot be read"):
        read(tmp_path / "none.bin")
    with (tmp_path / "a.txt").open("wb") as file, pytest.raises(UserError, match="it has a blank"):
        write(file, ("new york",), VECTORS[:1])
