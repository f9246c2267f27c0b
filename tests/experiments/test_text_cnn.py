"""Kim's networks: the vectors they start from, the bound on weights, filters, and commands."""

import json

import jax
import numpy as np
import optax
import pytest

from dlfun.cli.main import main
from dlfun.data import word_vectors
from dlfun.data.dataset import Dataset
from dlfun.errors import UserError
from dlfun.nn.models.text_cnn import VECTORS, TextCNN
from dlfun.train import driver
from experiments.words import text_cnn
from experiments.words.text_cnn.drawing import filters_of
from experiments.words.text_cnn.pretraining import start_from
from experiments.words.text_cnn.training import with_max_norm

SMALL = {"size": 3, "features": 2, "folds": 2, "batch_size": 8, "epochs": 1, "min_count": 1}
FLAGS = [word for n, v in SMALL.items() for word in (f"--{n.replace('_', '-')}", str(v))]


@pytest.fixture
def files(tmp_path):
    """A folder of sentences of one's own, and word vectors of some of their words."""
    folder, file = tmp_path / "mine", tmp_path / "vectors.txt"
    folder.mkdir()
    (folder / "bad.txt").write_text("dull film\nno wit\n" * 4)
    (folder / "good.txt").write_text("fine film\nsuch wit and charm\n" * 4)
    made = np.random.default_rng(0).normal(0, 2, (4, 3)).astype(np.float32)
    with file.open("wb") as opened:
        word_vectors.write(opened, ("film", "elsewhere", "wit", "dull"), made)
    return folder, file, dict(zip(("film", "elsewhere", "wit", "dull"), made, strict=True))


def test_networks_start_from_the_vectors_that_there_are(files):
    folder, file, vectors = files
    config = text_cnn.Config(dataset=f"text:{folder}", vectors=f"vectors:{file}", **SMALL)
    dataset = text_cnn.data(config)
    (stage,) = text_cnn.stages(config, dataset)
    batch = {n: c[:4] for n, c in dataset["sentences"].splits["train"].items()}
    state = jax.jit(stage.learner.init)(jax.random.key(0), batch)
    words = text_cnn.vocabulary(config)
    known = np.array([word in vectors for word in words])
    assert known.sum() == 3
    expected = np.array([vectors[word] for word in words if word in vectors])
    for name, of_name in state.items():
        tables = [of_name.params[VECTORS]] if VECTORS in of_name.params else []
        tables += [table[VECTORS] for table in of_name.collections.values()]
        assert len(tables) == (2 if name == "multichannel" else 1)
        for table in tables:
            for fold in np.asarray(table):
                if name == "rand":
                    assert np.abs(fold).max() <= 0.25
                    continue
                np.testing.assert_array_equal(fold[known], expected)
                # U(±a) with a = √3 of the deviation of the vectors that there are.
                assert np.abs(fold[~known]).max() <= 3**0.5 * expected.std() * (1 + 1e-5)
                assert np.abs(fold[~known]).max() > expected.std()


def test_skip_gram_makes_the_vectors_in_a_first_stage(small_mnist):
    config = text_cnn.Config(networks=("static",), vector_epochs=1, **SMALL)
    dataset = text_cnn.data(config)
    first, last = text_cnn.stages(config, dataset)
    batch = {n: c[:2] for n, c in first.dataset.splits["train"].items()}
    vectors = jax.jit(first.learner.init)(jax.random.key(0), batch)
    batch = {n: c[:4] for n, c in last.dataset.splits["train"].items()}
    fresh = jax.jit(last.learner.init)(jax.random.key(0), batch)
    table = last.begin(vectors, fresh)["static"].collections[VECTORS][VECTORS]
    words, made = text_cnn.vocabulary(config), first.dataset.classes
    assert "and" in made
    number, row = words.index("and"), made.index("and")
    np.testing.assert_array_equal(table[:, number], np.tile(vectors.words[row], (2, 1)))
    unknown = Dataset("vocabulary", {"train": {"row": np.full(len(words), -1)}}, words)
    kept = start_from(vectors, fresh, unknown)["static"].collections[VECTORS][VECTORS]
    np.testing.assert_allclose(kept, fresh["static"].collections[VECTORS][VECTORS], rtol=1e-6)


def test_weights_of_a_class_have_a_largest_norm():
    kernel = np.array([[3.0, 0.1], [4.0, 0.2]], np.float32)
    params = {"classifier": {"kernel": kernel, "bias": np.zeros(2, np.float32)}}
    step = jax.tree.map(np.ones_like, params)
    optimizer = with_max_norm(optax.identity(), 2.0)
    changes, _ = optimizer.update(step, optimizer.init(params), params)
    after = optax.apply_updates(params, changes)["classifier"]
    np.testing.assert_allclose(after["kernel"][:, 0], 2 * np.array([4, 5]) / 41**0.5, rtol=1e-6)
    np.testing.assert_allclose(after["kernel"][:, 1], [1.1, 1.2], rtol=1e-6)
    np.testing.assert_array_equal(after["bias"], 1)


def test_filters_are_shown_with_the_words_that_they_answer_to():
    """Filter 0 looks for word 2 before word 3, for class 1; filter 1 for nothing."""
    model = TextCNN(5, 2, size=3, widths=(2,), features=2)
    kernel = np.zeros((2, 3, 2), np.float32)
    kernel[0, 0, 0] = kernel[1, 1, 0] = 1
    params = {
        VECTORS: np.array([[0] * 3, [0] * 3, [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32),
        "filters_0": {"kernel": kernel, "bias": np.zeros(2, np.float32)},
        "classifier": {"kernel": np.array([[0, 4], [1, 1]], np.float32), "bias": np.zeros(2)},
    }
    x = np.array([[4, 2, 3], [2, 4, 0], [4, 0, 0]], np.int32)
    split = {"x": x, "length": np.array([3, 2, 1])}
    (found,) = filters_of(model, {"params": params}, split, "-?abc", 1)
    assert (found.label, found.weight) == (1, 2.0)
    assert found.answered[:2] == ["a b", "a c"]


def run(capsys, *arguments):
    status = main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def test_a_text_and_vectors_of_ones_own(capsys, files, tmp_path, monkeypatch):
    folder, file, _ = files
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "run"
    given = ["--dataset", f"text:{folder.name}", "--vectors", f"vectors:{file.name}"]
    trained = run(
        capsys, "train", "text_cnn", *FLAGS, *given, "--networks", "static", "--run-dir", path
    )
    assert trained[0] == 0, trained[2]
    monkeypatch.chdir("/")  # The run knows where the files are.
    row = json.loads(run(capsys, "predict", path, "No film!", "--json")[1])
    assert set(row["probabilities"]) == {"bad", "good"}
    experiment, trained = driver.read(path, print)
    assert experiment.measure(trained, None)["test/words_with_vectors"] == 5 / 10


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"dataset": "sst"}, "'sst': expected mr, subj, trec, ag_news or text:PATH"),
        ({"vectors": "vectors:/nowhere.txt"}, "/nowhere.txt cannot be read"),
        ({"vectors": "google"}, "'google': expected brown, text:PATH or vectors:FILE"),
        ({"size": 4}, "vectors of 3 numbers, not 4: give --size 3"),
        ({"folds": 9}, "class 'bad' has 8 of the 9 sentences that 9 folds need"),
    ],
)
def test_what_cannot_be_read_is_named(files, changed, words):
    folder, file, _ = files
    given = {"dataset": f"text:{folder}", "vectors": f"vectors:{file}", **SMALL, **changed}
    with pytest.raises(UserError, match=words):
        text_cnn.data(text_cnn.Config(**given))


def test_no_networks_are_named(small_mnist):
    config = text_cnn.Config(networks=(), **SMALL)
    with pytest.raises(UserError, match="--networks names none: expected some of rand, static"):
        text_cnn.stages(config, text_cnn.data(config))


def test_a_set_with_a_test_set_is_tested_on_it_alone(small_mnist):
    config = text_cnn.Config(dataset="trec", networks=("rand",), **SMALL)
    splits = text_cnn.data(config)["sentences"].splits
    assert (len(splits["train"]["x"]), len(splits["test"]["x"])) == (16, 16)
    assert not splits["test"]["fold"].any()
    assert splits["train"]["fold"].all()
