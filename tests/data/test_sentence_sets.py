"""Sets of sentences by name, in folds."""

import numpy as np
import pytest

from dlfun.data import sentence_sets, tfds
from dlfun.errors import UserError
from tests.conftest import QUESTIONS, REVIEWS


def test_a_set_in_folds(small_mnist):
    given = sentence_sets.load("mr", 4, 0)
    assert given.classes == ("negative", "positive")
    assert given.sentences == [*REVIEWS["negative"], *REVIEWS["positive"]]
    np.testing.assert_array_equal(given.label, [0] * 20 + [1] * 20)
    assert sorted(np.bincount(given.fold[given.label == 0])) == [5] * 4
    length = np.arange(40)[::-1]
    splits = sentence_sets.splits(given, {"length": length})
    np.testing.assert_array_equal(splits["train"]["label"], given.label)
    test = splits["test"]
    np.testing.assert_array_equal(test["fold"], np.sort(given.fold))
    for fold in range(4):
        assert (np.diff(test["length"][test["fold"] == fold]) > 0).all()
    np.testing.assert_array_equal(test["label"], given.label[39 - test["length"]])


def test_a_set_with_a_test_set(small_mnist, monkeypatch):
    # A class that is not tested on keeps its number.
    part = QUESTIONS | {"test": {"human": QUESTIONS["test"]["human"]}}
    monkeypatch.setattr(tfds, "labelled_texts", lambda *_: part)
    given = sentence_sets.load("ag_news", 4, 0)
    assert (given.folds, given.classes) == (1, ("number", "human"))
    splits = sentence_sets.splits(given, {"x": np.arange(len(given.label))})
    assert [given.sentences[n] for n in splits["test"]["x"]] == QUESTIONS["test"]["human"]
    np.testing.assert_array_equal(splits["test"]["label"], 1)
    np.testing.assert_array_equal(splits["train"]["label"], [0] * 8 + [1] * 8)


def test_what_is_no_set_and_a_small_class(small_mnist):
    with pytest.raises(UserError, match="'sst': expected mr, subj, trec, ag_news or text:PATH"):
        sentence_sets.load("sst", 4, 0)
    with pytest.raises(UserError, match=r"'tre' \(did you mean 'trec'\?\)"):
        sentence_sets.load("tre", 4, 0)
    with pytest.raises(UserError, match="unknown dataset 'text:': expected"):
        sentence_sets.load("text:", 4, 0)
    with pytest.raises(UserError, match="class 'negative' has 20 of the 21 sentences"):
        sentence_sets.load("mr", 21, 0)
