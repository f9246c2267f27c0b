"""Word vectors and bags of words: scores by hand, and the commands on a text of one's own."""

import itertools
import json

import numpy as np
import pytest

from dlfun.cli.main import main
from dlfun.data import word_vectors
from dlfun.data.word_vectors import WordVectors
from dlfun.errors import UserError
from dlfun.plots.style import truncate
from dlfun.train import driver
from experiments.words import word2vec_skipgram
from experiments.words.bag_of_words.sets import one_hot_cosine, without_repeats
from experiments.words.word2vec_skipgram.drawing import in_the_plane, table_of_neighbours
from experiments.words.word2vec_skipgram.scores import analogies, nearest_words, similarity

MADE = WordVectors(
    ("king", "man", "queen", "woman", "far"),
    np.array([[1, 1, 0], [1, 0, 0], [0.1, 1, 1], [0, 0, 1], [-9, -9, -9]], np.float32),
)


def run(capsys, *arguments):
    status = main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def test_similarity_is_spearmans_rank_correlation():
    """Cosines 1/√2, 0 and less than 0; two of three ranks are exchanged: 1 - 6·2/(3·8) = ½."""
    pairs = [("king", "man", 5.0), ("man", "woman", 9.0), ("man", "far", 1.0), ("man", "dog", 3.0)]
    rho, known = similarity(MADE, pairs)
    assert (rho, known) == (pytest.approx(0.5), 3)
    assert np.isnan(similarity(MADE, pairs[3:])[0])


def test_analogies_leave_the_given_words_out():
    sections = {
        "family": [("man", "king", "woman", "queen"), ("man", "king", "woman", "far")],
        "unknown": [("a", "b", "c", "d")],
    }
    assert analogies(MADE, sections) == {"family": (1, 2)}


def test_the_nearest_words_are_without_the_word_itself():
    np.testing.assert_array_equal(nearest_words(np.array([0.1, 1, 0.5, 0.9]), 1, 2), [3, 2])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("words", "size"),
    [
        (("red", "dog", "cat"), 2),
        (("a", "b"), 1),
        (("red", "blue", "pink"), 1),
        (("a", "b" * 10**5), 2),
    ],
)
def test_few_words_and_vectors_of_one_number_are_drawn(words, size):
    made = WordVectors(words, np.ones((len(words), size), np.float32))
    assert table_of_neighbours(made)
    labels = {text.get_text() for text in in_the_plane(made).axes[0].texts}
    assert labels == {truncate(word) for word in words}


def test_labels_of_words_that_lie_together_do_not_cover_each_other():
    words = ("father", "mother", "brother", "sister", "red", "blue")
    vectors = np.repeat(np.eye(3, dtype=np.float32), 2, axis=0)
    labels = in_the_plane(WordVectors(words, vectors)).axes[0].texts
    boxes = [label.get_window_extent() for label in labels]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))


def test_bags_of_words():
    x = np.array([[5, 3, 5, 5, 0, 0], [2, 2, 3, 4, 3, 2]])
    np.testing.assert_array_equal(without_repeats(x), [[5, 3, 0, 0, 0, 0], [2, 0, 3, 4, 0, 0]])
    assert one_hot_cosine([("film", "movie"), ("big", "large")]) == 0
    assert one_hot_cosine([("film", "film")]) == 1


@pytest.fixture(scope="module")
def trained(tmp_path_factory, small_mnist_in_module):
    folder, path = (tmp_path_factory.mktemp(name) for name in ("text", "run"))
    (folder / "a.txt").write_text("the dog sees the cat\na cat sees a dog and the dog barks\n" * 20)
    small = ["--size", "4", "--epochs", "1", "--batch-size", "1", "--dataset", f"text:{folder}"]
    assert main(["train", "word2vec_skipgram", *small, "--run-dir", str(path)]) == 0
    return path


def test_a_text_without_words_of_the_tests_is_measured_by_its_loss(capsys, tmp_path, small_mnist):
    file = tmp_path / "a.txt"
    file.write_text("der Hund sieht die Katze\n" * 60)
    small = ["--size", "1", "--epochs", "1", "--batch-size", "1", "--dataset", f"text:{file}"]
    few = [*small, "--outputs", "negative_sampling", "--run-dir", tmp_path / "run"]
    status, _, err = run(capsys, "train", "word2vec_skipgram", *few)
    assert status == 0, err
    measured = json.loads((tmp_path / "run" / "result.json").read_text())["metrics"]["test"]
    assert measured["simlex_pairs"] == measured["analogies"] == 0
    assert "negative_sampling_simlex" not in measured
    status, out, err = run(capsys, "plot", tmp_path / "run")
    assert status == 0, err
    assert "map.png" in out
    assert "analogies.png" not in out


def test_a_sample_that_leaves_no_words_is_refused(small_mnist):
    with pytest.raises(UserError, match=r"reads about 0 under --sample 1e-09: expected more than"):
        word2vec_skipgram.data(word2vec_skipgram.Config(sample=1e-9))


def test_neighbours_of_words_of_ones_own_text(capsys, trained):
    status, out, err = run(capsys, "predict", trained, "Dog", "cat", "--json")
    assert status == 0, err
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["input"] for row in rows] == ["dog", "cat"]
    vectors = word_vectors_of(trained)["negative_sampling"]
    unit = vectors.vectors / np.linalg.norm(vectors.vectors, axis=1, keepdims=True)
    order = np.argsort(-(unit @ unit[vectors.words.index("dog")]))
    assert rows[0]["negative_sampling"] == [
        vectors.words[k] for k in order if vectors.words[k] != "dog"
    ]
    status, out, err = run(capsys, "predict", trained, "dig")
    assert (status, out) == (2, "")
    assert "'dig' is not among the 7 words" in err
    assert "(did you mean 'dog'?)" in err


def word_vectors_of(path):
    experiment, trained = driver.read(path, print)
    return experiment.vectors(trained)


def test_vectors_are_exported_in_both_formats(capsys, trained, tmp_path):
    assert run(capsys, "export", trained, "--out", tmp_path / "out")[0] == 0
    for name, made in word_vectors_of(trained).items():
        for ending in ("txt", "bin"):
            words, vectors = word_vectors.read(tmp_path / "out" / f"{name}.{ending}")
            assert words == made.words
            np.testing.assert_array_equal(vectors, made.vectors)
