"""Words, vocabularies and padded sentences; files of sentences and of tagged words."""

import gzip

import numpy as np
import pytest

from dlfun.data import english_treebank, movie_reviews, text
from dlfun.errors import UserError


def test_words_marks_and_numbers_are_apart():
    assert text.words("I don't like Tolkien's 3.5 films.") == [
        *("I", "do", "n't", "like", "Tolkien", "'s", "3.5", "films", ".")
    ]  # fmt: skip
    assert text.words(" ".join(text.words("A film; isn't it?"))) == text.words("A film; isn't it?")
    assert text.words("  ") == []


def test_known_words_stay_whole():
    known = {"e-mail", "Dr.", "...", "'s", "rock'n'roll", "-"}
    assert text.known_words("Dr. X's e-mails, by e-mail... to Dr.", known) == [
        *("Dr.", "X", "'s", "e", "-", "mails", ",", "by", "e-mail", "...", "to", "Dr.")
    ]  # fmt: skip
    assert text.known_words("(rock'n'roll) e - mail", known) == [
        *("(", "rock'n'roll", ")", "e", "-", "mail")
    ]  # fmt: skip
    sentence = "I don't like Tolkien's 3.5 films."
    assert text.known_words(sentence, ()) == text.words(sentence)


def test_a_vocabulary_holds_what_is_frequent_enough():
    sentences = [["b", "a", "b"], ["c", "b", "a"]]
    assert text.vocabulary(sentences) == (text.PAD, text.UNKNOWN, "b", "a", "c")
    assert text.vocabulary(sentences, 2) == (text.PAD, text.UNKNOWN, "b", "a")
    assert text.vocabulary(["ab", "a"], 2) == (text.PAD, text.UNKNOWN, "a")  # Characters.
    assert text.vocabulary([], 2) == (text.PAD, text.UNKNOWN)
    with pytest.raises(UserError, match="no word occurs 4 times: .* --min-count of at most 3"):
        text.vocabulary(sentences, 4)


def test_what_is_encoded_can_be_read_back():
    sentences = [["a", "b", "c"], ["b"], ["x", "a"]]
    tokens = text.vocabulary(sentences[:2])
    split = text.encode(sentences, text.numbers(tokens))
    assert split["x"].dtype == split["length"].dtype == np.int32
    read = [[tokens[k] for k in row[:n]] for row, n in zip(split["x"], split["length"])]  # noqa: B905
    assert read == [["a", "b", "c"], ["b"], [text.UNKNOWN, "a"]]
    assert (split["x"][np.arange(3) >= split["length"][:, None]] == 0).all()
    cut = text.encode(sentences, text.numbers(tokens), longest=2)
    np.testing.assert_array_equal(cut["x"], split["x"][:, :2])
    assert cut["length"].tolist() == [2, 1, 2]


def test_sentences_that_cannot_be_encoded_are_named(monkeypatch):
    with pytest.raises(UserError, match="sentence 2 is empty"):
        text.encode([["a"], []], {"a": 2})
    with pytest.raises(UserError, match="no sentences"):
        text.encode([], {"a": 2})
    monkeypatch.setattr(text, "MEMORY", 100)
    with pytest.raises(UserError, match="do not fit"):
        text.encode([["a"] * 50] * 2, {"a": 2})


def test_items_are_sentences_or_files_of_them(tmp_path):
    file = tmp_path / "two lines.txt"
    file.write_bytes("\ufeffÀ la fin .\r\n\r\nOne more\n".encode())
    assert text.sentences(["a b", str(file)]) == ["a b", "À la fin .", "One more"]


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"fine\nna\xefve\n", "line 2: not UTF-8"), (b" \n\n", "is empty"), (None, "cannot be read")],
)
def test_bad_files_are_named(tmp_path, content, words):
    file = tmp_path / "bad.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UserError, match=words) as error:
        text.sentences([str(file)])
    assert str(file) in str(error.value)
    with pytest.raises(UserError, match="an empty sentence"):
        text.sentences([" "])


def test_a_damaged_gzip_file_is_named(tmp_path):
    file = tmp_path / "a.txt.gz"
    file.write_bytes(gzip.compress(b"some words\n" * 50)[:-12])
    with pytest.raises(UserError, match=r"a\.txt\.gz cannot be read"):
        text.lines(file)


def test_a_class_is_a_file(tmp_path):
    for words, name in (("no such folder", "none"), ("has no classes", "empty")):
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(UserError, match=words):
            text.classes(tmp_path / name)
    (tmp_path / "good.txt").write_text("fine\nwell\n")
    with pytest.raises(UserError, match="has 1 class:"):
        text.classes(tmp_path)
    (tmp_path / "bad.txt").write_text("dull\n")
    assert text.classes(tmp_path) == {"bad": ["dull"], "good": ["fine", "well"]}


def test_tagged_words_are_read(tmp_path):
    file = tmp_path / "tagged.tsv"
    file.write_text("# sent_id = 1\nThe\tD\tDT\n#\tX\n\n\nDogs\tN\n")
    assert text.tagged(file) == ([["The", "#"], ["Dogs"]], [["D", "X"], ["N"]])
    file = tmp_path / "a.conllu"
    lines = ["1-2\tdon't\t_\t_", "1\tdo\tdo\tAUX", "2\tn't\tnot\tPART", "2.1\tgo\tgo\tVERB"]
    file.write_text("\n".join(lines))
    assert text.tagged(file, 1, 3) == ([["do", "n't"]], [["AUX", "PART"]])


@pytest.mark.parametrize(
    ("content", "words"),
    [("a\tX\nb\n", "line 2: expected"), ("a\t\n", "line 1: expected"), ("\n", "is empty")],
)
def test_a_line_without_a_tag_is_named(tmp_path, content, words):
    file = tmp_path / "tagged.tsv"
    file.write_text(content)
    with pytest.raises(UserError, match=words):
        text.tagged(file)


def test_sources_are_read_from_the_folder_of_data(tmp_path, monkeypatch):
    monkeypatch.delenv("DLFUN_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "none"))
    for source, words in ((movie_reviews, "rt-polarity.neg"), (english_treebank, "conllu")):
        with pytest.raises(UserError, match=words) as error:
            source.sentences(tmp_path)
        assert str(tmp_path) in str(error.value)
        (tmp_path / source.FOLDER).mkdir()
    for name, content in (("neg.gz", gzip.compress(b"na\xefve\n")), ("pos", b"fine\n")):
        (tmp_path / movie_reviews.FOLDER / f"rt-polarity.{name}").write_bytes(content)
    assert movie_reviews.sentences(tmp_path) == {"negative": ["naïve"], "positive": ["fine"]}
    for part in ("train", "dev", "test"):
        (tmp_path / english_treebank.FOLDER / f"{part}.tsv").write_text(f"{part}\tX\n")
    read = english_treebank.sentences(tmp_path)
    assert read["validation"] == ([["dev"]], [["X"]])


def test_without_a_prime_a_text_begins_after_the_end_of_a_line():
    assert text.prime_numbers("ba", "\nab") == [2, 1]
    assert text.prime_numbers(None, " \nab") == [1]
    assert text.prime_numbers(None, " ab") == [0]
