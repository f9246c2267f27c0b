"""The overlap of neighbours that benchmarks.words reports, and its comparison on a few lines."""

import importlib.util

import numpy as np
import pytest

from benchmarks import words
from dlfun.data.word_vectors import WordVectors


def test_the_overlap_of_neighbours(monkeypatch):
    monkeypatch.setattr(words, "NEIGHBOURS", 1)
    a = WordVectors(("a", "b", "c"), np.array([[1, 0], [1, 0.1], [0, 1]], np.float32))
    # That of a and of c is b in both; of b it is a here, and c there.
    b = WordVectors(("c", "b", "a"), np.array([[0, 1], [0.4, 0.9], [1, 0.4]], np.float32))
    assert words.overlap(a, a) == 1
    assert words.overlap(a, b) == pytest.approx(2 / 3)


def test_gensim_is_asked_for(capsys, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert words.main([]) == 2
    assert "gensim, to compare with, is not installed" in capsys.readouterr().err
