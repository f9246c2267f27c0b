"""Sentences are classified and tagged: folds, baselines, and predictions from text."""

import dataclasses
import json

import jax
import numpy as np
import pytest

import dlfun
from dlfun.algorithms.naive_bayes import fold_accuracies
from dlfun.cli.main import main
from dlfun.data.folds import balanced_folds
from dlfun.errors import UserError
from dlfun.experiment import Trained
from dlfun.learner import metrics_of_all
from dlfun.train.loop import sample_batch
from experiments.recurrent import sentiment, tagging
from experiments.recurrent.tagging.encoding import most_frequent_tag_accuracy
from experiments.recurrent.tagging.model import Spelling
from tests.works import compiled

SMALL = ["--epochs", "1", "--batch-size", "8", "--embedding", "4", "--hidden", "4"]


def run(capsys, *arguments):
    status = main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def test_folds_are_balanced_and_follow_the_seed():
    labels = np.array([0] * 23 + [1] * 31)
    fold = balanced_folds(labels, 5, 1, ("a", "b"))
    for label in (0, 1):
        sizes = np.bincount(fold[labels == label], minlength=5)
        assert sizes.max() - sizes.min() <= 1
    np.testing.assert_array_equal(fold, balanced_folds(labels, 5, 1, ("a", "b")))
    assert (fold != balanced_folds(labels, 5, 2, ("a", "b"))).any()
    with pytest.raises(UserError, match="class 'a' has 23"):
        balanced_folds(labels, 24, 1, ("a", "b"))


def test_naive_bayes_is_scikit_learns():
    from sklearn.naive_bayes import MultinomialNB

    rng = np.random.default_rng(0)
    x = rng.integers(0, 30, (200, 6)).astype(np.int32)
    x[0, 0] = 29
    label = ((x < 12).sum(1) > 2).astype(np.int32)
    fold = (np.arange(200) % 4).astype(np.int32)
    present = (x[:, :, None] == np.arange(2, 30)).any(1)
    expected = [
        MultinomialNB()
        .fit(present[fold != k], label[fold != k])
        .score(present[fold == k], label[fold == k])
        for k in range(4)
    ]
    assert fold_accuracies(x, label, fold) == pytest.approx(expected)


def test_the_most_frequent_tag():
    train = ([["a", "b", "a"], ["a", "c"]], [["X", "Y", "X"], ["Z", "Y"]])
    assert most_frequent_tag_accuracy(train, ([["a", "new", "b"]], [["X", "Y", "X"]])) == 2 / 3


@pytest.fixture
def reviews(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "bad.txt").write_text("dull film\nno wit\n" * 4)
    (folder / "good.txt").write_text("fine film\nsuch wit and charm\n" * 4)
    return folder


@pytest.mark.slow
def test_a_text_of_ones_own_is_classified(capsys, reviews, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "run"
    given = ["--dataset", f"text:{reviews.name}", "--folds", "2"]
    status, _, err = run(capsys, "train", "sentiment", *SMALL, *given, "--run-dir", path)
    assert status == 0, err
    monkeypatch.chdir("/")  # The run knows where the text is.
    (tmp_path / "new.txt").write_text("fine wit\n\nan unheard-of thing\n")
    asked = ["predict", path, "No film!", tmp_path / "new.txt", "--json"]
    rows = [json.loads(line) for line in run(capsys, *asked)[1].splitlines()]
    assert [row["input"] for row in rows] == ["No film!", "fine wit", "an unheard-of thing"]
    for row in rows:
        assert set(row["probabilities"]) == {"bad", "good"}
        assert sum(row["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    (alone,) = dlfun.load(path).predict(["fine wit"])
    assert alone["probabilities"] == pytest.approx(rows[1]["probabilities"], rel=1e-4)
    for item, words in (("", "an empty sentence"), (str(reviews / "no.txt"), "no.txt")):
        status, out, err = run(capsys, "predict", path, item)
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert words in err


def test_networks_are_compared_on_the_same_folds(small_mnist):
    small = {"epochs": 1, "batch_size": 8, "embedding": 4, "hidden": 4, "folds": 2}
    both = ("rnn", "bidirectional_lstm")
    config = sentiment.Config(**small, networks=both)
    dataset = sentiment.data(config)
    learner = compiled(sentiment.learner(config, dataset))
    state = learner.init(jax.random.key(0), sample_batch(dataset))
    split = dataset.splits["test"]
    measured = metrics_of_all(learner, state, split, jax.random.key(0))
    batch = {**split, "weight": np.ones(len(split["label"]), np.float32)}
    every = []
    for name in both:
        assert np.mean(measured[f"{name}_fold_accuracy"]) == pytest.approx(
            measured[f"{name}_accuracy"]
        )
        alone = sentiment.learner(dataclasses.replace(config, networks=(name,)), dataset)
        every.append(np.exp(jax.jit(alone.predict)({name: state[name]}, batch)))
    shares = jax.nn.softmax(learner.predict(state, batch))
    mean = (every[0] + every[1]) / 4  # Of two folds of each of two networks.
    np.testing.assert_allclose(shares, mean, rtol=1e-5)
    with pytest.raises(UserError, match="--networks names none: expected some of rnn, gru, lstm"):
        sentiment.learner(sentiment.Config(networks=()), dataset)


def test_tagged_sentences_are_split_as_those_of_training(monkeypatch):
    """A sentence of the training set gives its own words again."""
    words = ["Dr.", "Smith", "e-mails", "and", "does", "n't", "call", "..."]
    tagged = [words] * 2, [["N"] * len(words)] * 2
    monkeypatch.setattr(tagging.english_treebank, "sentences", lambda: {"train": tagged})
    trained = Trained(tagging.Config(), None, None, None, 0)
    for item in (" ".join(words), "Dr. Smith e-mails and doesn't call..."):
        names, columns = tagging.inputs(trained, [item])
        assert names == [" ".join(words)]
        assert (columns["x"] > 1).all()


@pytest.mark.slow
def test_a_tagged_text_of_ones_own_is_tagged(capsys, tmp_path):
    file, path = tmp_path / "tagged.tsv", tmp_path / "run"
    file.write_text("The\tD\ndog\tN\nbarks\tV\n\nDogs\tN\n\n" * 10)
    given = ["--dataset", f"text:{file}", "--characters", "4"]
    status, _, err = run(capsys, "train", "tagging", *SMALL, *given, "--run-dir", path)
    assert status == 0, err
    rows = dlfun.load(path).predict(["The dog barks", "Dogs don't"])
    assert [row["input"] for row in rows] == ["The dog barks", "Dogs do n't"]
    for row in rows:
        assert len(row["tags"]) == len(row["input"].split(" "))
        assert set(row["tags"]) <= {"D", "N", "V"}
    printed = run(capsys, "predict", path, "The dog barks")[1]
    assert printed == f"The dog barks: {' '.join(rows[0]['tags'])}\n"


@pytest.mark.parametrize(
    ("module", "name", "words"),
    [
        (sentiment, "sst", "expected mr or text:PATH"),
        (tagging, "ptb", "expected ewt or text:FILE"),
        (sentiment, "text:/nowhere", "no such folder"),
        (tagging, "text:/nowhere", "/nowhere cannot be read"),
    ],
)
def test_an_unknown_dataset_is_named(module, name, words):
    with pytest.raises(UserError, match=words):
        module.data(module.Config(dataset=name))


@pytest.mark.parametrize("longest", [12, 40])
def test_words_are_spelled_alike_however_long_the_longest_sentence_of_all(longest):
    rng = np.random.default_rng(0)
    letters = rng.integers(1, 5, (2, 40, 3), dtype=np.uint8)
    lengths = np.array([7, longest], np.int32)
    model = Spelling(5, 2)
    variables = jax.jit(model.init)(jax.random.key(0), letters, lengths)

    def spelled(variables, letters, lengths):
        return model.apply(variables, letters, lengths)[:, :7]

    def total(*arguments):
        return (spelled(*arguments) ** 2).sum()

    ours, alone = (variables, letters, lengths), (variables, letters[:, :7], lengths.clip(max=7))
    for compute in (spelled, jax.grad(total)):
        a, b = (jax.jit(compute)(*arguments) for arguments in (ours, alone))
        jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=2e-4, atol=1e-6), a, b)
