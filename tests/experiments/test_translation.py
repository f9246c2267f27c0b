"""Translation of captions: what is read and refused, and how translations are scored."""

import dataclasses

import numpy as np
import pytest

from dlfun.data import multi30k
from dlfun.errors import UserError
from dlfun.experiment import Trained
from experiments.sequence_to_sequence import (
    shakespeare_transformer,
    translation_rnn,
    translation_transformer,
)
from experiments.sequence_to_sequence.translation_rnn import drawing
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
    ("sentence", "written"),
    [
        (
            "ein schwarz-weißer hund trägt ein t-shirt .",
            "Ein schwarz-weißer Hund trägt ein T-Shirt.",
        ),
        ("die u-bahn-station , 3.5 km weit !", "Die U-Bahn-Station, 3.5 km weit!"),
        ("ein schild mit &quot; open &quot; -anzeige", 'Ein Schild mit "Open" -Anzeige'),
        ("mcdonald &apos; s &amp; co", "McDonald's & Co"),
        ("ein mädchen ruft &quot; halt &quot; - laut ...", "Ein Ma\u0308dchen ruft „Halt“ – laut…"),
        ("kinder- und st. petersburg ( z.b. ) ...", "Kinder- und St. Petersburg (z.B.)..."),
    ],
)
def test_predict_splits_sentences_as_the_files_of_training_do(sentence, written, monkeypatch):
    """Both the words of the files, with spaces between them, and the sentence as people write."""
    pairs = [sentence.split()] * 2, [["a"]] * 2
    monkeypatch.setattr(multi30k, "sentences", lambda: dict.fromkeys(multi30k.PARTS, pairs))
    config = translation_rnn.Config(beams=2)
    dataset = translation_rnn.data(config)
    for item in (sentence, written):
        _, columns = translation_rnn.inputs(Trained(config, dataset, None, None, 0), [item])
        np.testing.assert_array_equal(columns["x"], dataset.splits["train"]["x"][:1])


def test_a_mark_that_html_escapes_is_no_known_word(monkeypatch):
    pairs = [["hund", "&quot;"]] * 2, [["dog"]] * 2
    monkeypatch.setattr(multi30k, "sentences", lambda: dict.fromkeys(multi30k.PARTS, pairs))
    config = translation_rnn.Config(beams=2)
    run = Trained(config, translation_rnn.data(config), None, None, 0)
    assert translation_rnn.inputs(run, ['"Hund"'])[1]["length"] == 3
    with pytest.raises(UserError, match="no word of"):
        translation_rnn.inputs(run, ['"'])


@pytest.mark.parametrize(
    ("item", "words"),
    [(" ", "an empty sentence"), ("qwertz xyz .", "no word of 'qwertz xyz .' is known")],
)
def test_what_cannot_be_translated_is_named(trained, item, words):
    with pytest.raises(UserError, match=words):
        translation_rnn.inputs(trained, [item])


def test_settings_that_do_not_fit_are_refused(trained):
    wide = dataclasses.replace(trained.config, beams=99)
    with pytest.raises(UserError, match="--beams must be at most the .* words known, not 99"):
        translation_rnn.data(wide)
    config = translation_transformer.Config(features=30)
    with pytest.raises(UserError, match="--features 30 must be a multiple of --heads 8"):
        translation_transformer.learner(config, trained.dataset)
    config = shakespeare_transformer.Config(heads=3)
    with pytest.raises(UserError, match="--features 128 must be a multiple of --heads 3"):
        shakespeare_transformer.learner(config, shakespeare_transformer.data(config))
    config = shakespeare_transformer.Config(context=10**6)
    with pytest.raises(UserError, match="train text has .* expected at least 1,000,001"):
        shakespeare_transformer.data(config)


def test_missing_captions_are_asked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("DLFUN_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(UserError, match=r"no Multi30k: put train\.lc\.norm\.tok\.de"):
        multi30k.sentences()


def test_the_score_of_a_perfect_translation_is_100():
    reference = [["a", "dog", "runs", "over", "the", "grass", "."]]
    score, signature = bleu(reference, reference)
    assert score == pytest.approx(100)
    assert signature.startswith("nrefs:1|case:mixed|eff:no|tok:none|smooth:exp|version:")
    assert bleu([["a", "dog", "runs", "over", "grass", "."]], reference)[0] < 70


def test_figures_show_marks_as_they_are_read(monkeypatch, trained):
    written = [["a", "dog", "&apos;s", "$"]]
    monkeypatch.setattr(drawing, "translated", lambda *_: written)
    monkeypatch.setattr(drawing, "take", lambda *_: None)
    drawn = drawing.translations(trained, (written, written))
    assert {line.get_text() for line in drawn.axes[0].texts} == {r"a dog 's \$", ""}
