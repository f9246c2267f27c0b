"""Translation of captions: what is read and refused, and how translations are scored."""

import dataclasses

import numpy as np
import pytest

from dlfun.data import multi30k
from dlfun.errors import UserError
from dlfun.experiment import Trained
from experiments.sequence_to_sequence import translation_rnn, translation_transformer
from experiments.sequence_to_sequence.translation_rnn.scoring import bleu


@pytest.fixture
def trained(small_mnist):
    config = translation_rnn.Config()
    return Trained(config, translation_rnn.data(config), None, None, 0)


def test_sentences_become_columns_and_numbers_become_sentences(trained):
    names, columns = translation_rnn.inputs(trained, ["Ein Hund bellt.", "hunde"])
    assert names == ["Ein Hund bellt.", "hunde"]
    test = trained.dataset.splits["test"]
    np.testing.assert_array_equal(columns["x"][0], test["x"][0, : columns["x"].shape[1]])
    np.testing.assert_array_equal(columns["length"], test["length"][:2])
    rows = list(translation_rnn.outputs(trained, names, test["y"][:2]))
    assert rows == [{"translation": "a dog barks ."}, {"translation": "dogs"}]


@pytest.mark.parametrize(
    ("item", "words"),
    [(" ", "an empty sentence"), ("qwertz xyz", "no word of 'qwertz xyz' is known")],
)
def test_what_cannot_be_translated_is_named(trained, item, words):
    with pytest.raises(UserError, match=words):
        translation_rnn.inputs(trained, [item])


def test_settings_that_do_not_fit_are_refused(trained):
    wide = dataclasses.replace(trained.config, beams=99)
    with pytest.raises(UserError, match="--beams must be at most the .* words"):
        translation_rnn.learner(wide, trained.dataset)
    config = translation_transformer.Config(features=30)
    with pytest.raises(UserError, match="--features 30 must divide by --heads 8"):
        translation_transformer.learner(config, trained.dataset)


def test_missing_captions_are_asked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("DLFUN_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(UserError, match=r"no Multi30k: put train\.lc\.norm\.tok\.de"):
        multi30k.sentences()


def test_the_score_of_a_perfect_translation_is_100():
    reference = [["a", "dog", "runs", "over", "the", "grass", "."]]
    assert bleu(reference, reference) == pytest.approx(100)
    assert bleu([["a", "dog", "runs", "over", "grass", "."]], reference) < 70
