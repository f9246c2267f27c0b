"""Texts as corpora, and the files of Brown, SUBJ, TREC and the tests of word vectors."""

import gzip

import numpy as np
import pytest

from dlfun.data import brown, corpus, subjectivity, trec, word_similarity
from dlfun.errors import UserError


def test_pages_hold_the_known_words_in_order(tmp_path):
    (tmp_path / "below").mkdir()
    (tmp_path / "folder.txt").mkdir()
    (tmp_path / "b.txt").write_text("The cat sat.\n\nA DOG sat\n")
    (tmp_path / "below" / "a.txt.gz").write_bytes(gzip.compress(b"the cat sat by the dog\n"))
    made = corpus.pages(corpus.sentences(f"text:{tmp_path}"), min_count=2, length=4, window=1)
    assert made.words == ("sat", "the", "cat", "dog")
    read = [
        made.words[w] for w, s in zip(made.x.ravel(), made.sentence.ravel(), strict=True) if s >= 0
    ]
    assert " ".join(read) == "the cat sat dog sat the cat sat the dog"
    np.testing.assert_array_equal(made.sentence, [[0, 0, 0, 1], [1, 2, 2, 2], [2, 2, -1, -1]])


@pytest.mark.parametrize(
    ("text", "settings", "words"),
    [
        ("a b a b a b", {"window": 3}, "6 words are left, 2 different ones"),
        ("a a a a a a a a a", {"window": 1}, "9 words are left, 1 different ones"),
        ("a\nb\n" * 9, {"window": 1}, "no sentence of two words"),
        ("a b c d e f g", {"window": 1, "min_count": 2}, "no word occurs 2 times"),
    ],
)
def test_a_corpus_smaller_than_the_window_is_refused(tmp_path, text, settings, words):
    file = tmp_path / "a.txt"
    file.write_text(text)
    read = corpus.sentences(f"text:{file}")
    with pytest.raises(UserError, match=words):
        corpus.pages(read, **{"min_count": 1, "length": 10} | settings)


def test_a_corpus_that_is_none(tmp_path):
    with pytest.raises(UserError, match="expected brown or text:PATH"):
        corpus.sentences("text8")
    with pytest.raises(UserError, match=r"'brwn' \(did you mean 'brown'\?\)"):
        corpus.sentences("brwn")
    with pytest.raises(UserError, match="unknown dataset 'text:': expected"):
        corpus.sentences("text:")
    with pytest.raises(UserError, match=r"no such file, nor a folder with files \*\.txt"):
        corpus.sentences(f"text:{tmp_path}")


def test_questions_are_read_by_class(tmp_path):
    folder = tmp_path / "trec"
    folder.mkdir()
    (folder / "train.txt").write_bytes(
        "NUM:dist How far is Malmö ?\nHUM:ind Who ?\n".encode("latin-1")
    )
    (folder / "test.txt").write_text("LOC:city Where ?\n")
    found = trec.questions(tmp_path)
    assert found["train"]["number"] == ["How far is Malmö ?"]
    assert found["test"]["location"] == ["Where ?"]
    assert list(found["train"]) == list(trec.CLASSES.values())
    (folder / "test.txt").write_text("LOC:city Where ?\nWhere else ?\n")
    with pytest.raises(UserError, match=r"test\.txt, line 2: expected COARSE:fine"):
        trec.questions(tmp_path)


def test_subjective_sentences_and_brown(tmp_path):
    files = {
        "subjectivity/objective.txt": "a plot .",
        "subjectivity/subjective.txt": "fine !",
        "brown/brown.txt": "The Fulton County\nGrand",
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    assert subjectivity.sentences(tmp_path) == {"objective": ["a plot ."], "subjective": ["fine !"]}
    assert brown.sentences(tmp_path) == ["The Fulton County", "Grand"]


def test_tests_of_word_vectors_are_read(tmp_path):
    folder = tmp_path / "word_similarity"
    folder.mkdir()
    for name in word_similarity.FILES.values():
        (folder / name).write_bytes(b"Tiger\tcat\t7.35\r\nold\tnew\t1.58\r\n")
    (folder / "questions-words.txt").write_text(": family\nboy girl He she\n: gram1\na b c d\n")
    found = word_similarity.load(tmp_path)
    assert found.pairs["men"] == [("tiger", "cat", 7.35), ("old", "new", 1.58)]
    assert found.analogies == {
        "family": [("boy", "girl", "he", "she")],
        "gram1": [("a", "b", "c", "d")],
    }
    (folder / "simlex999.tsv").write_text("old\tnew\t1.58\nold new 2\n")
    with pytest.raises(UserError, match=r"simlex999\.tsv, line 2: expected two words and a number"):
        word_similarity.load(tmp_path)


@pytest.mark.parametrize(
    "source", [brown.sentences, subjectivity.sentences, trec.questions, word_similarity.load]
)
def test_absent_data_are_told_where_to_be_put(source, tmp_path, monkeypatch):
    monkeypatch.delenv("DLFUN_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(UserError, match="put .* into "):
        source(tmp_path)
