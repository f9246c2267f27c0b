"""The masked language model: what fine-tuning starts from, and the command on one's own text."""

import jax
import numpy as np
import pytest

from dlfun.cli.main import main
from dlfun.errors import UserError
from dlfun.train import driver
from experiments.words import masked_language_model as experiment
from experiments.words.masked_language_model.drawing import fill_in

SMALL = {"folds": 2, "features": 4, "heads": 2, "layers": 1, "context": 12, "batch_size": 8}


def test_classifiers_start_from_the_language_models_encoder(small_mnist):
    config = experiment.Config(**SMALL)
    dataset = experiment.data(config)
    first, last = experiment.stages(config, dataset)

    def fresh(stage):
        batch = {n: c[:4] for n, c in stage.dataset.splits["train"].items()}
        return jax.jit(stage.learner.init)(jax.random.key(1), batch)

    trained, start = fresh(first), fresh(last)
    below, top = last.begin(trained, start)
    assert below == (trained.params,)
    for old, new in zip(
        jax.tree.leaves(trained.params["encoder"]),
        jax.tree.leaves(top["pretrained"].params["encoder"]),
        strict=True,
    ):
        np.testing.assert_array_equal(new, np.broadcast_to(old, (2, *old.shape)))
    for name in ("params", "optimizer"):
        kept, before = (getattr(tree["scratch"], name) for tree in (top, start.top))
        jax.tree.map(np.testing.assert_array_equal, kept, before)


def test_held_out_sentences_are_not_trained_on(small_mnist):
    splits = experiment.data(experiment.Config(**SMALL))["text"].splits
    sizes = {name: len(split["x"]) for name, split in splits.items()}
    assert sizes["test"] == -(-sum(sizes.values()) // 20)
    assert (splits["train"]["x"] >= experiment.FIRST).any(axis=1).all()


def test_naive_bayes_stands_beside_a_test_set(small_mnist):
    """Test questions have the words of the training questions of their class: all are right."""
    config = experiment.Config(dataset="trec", **{**SMALL, "min_count": 1})
    assert experiment.bayes_accuracy(experiment.data(config)["sentences"]) == 1


def test_features_that_do_not_divide_by_heads(small_mnist):
    config = experiment.Config(**{**SMALL, "heads": 3})
    data = experiment.data(config)
    with pytest.raises(UserError, match="--features 4 must be a multiple of --heads 3"):
        experiment.stages(config, data)


@pytest.mark.slow
def test_reviews_of_ones_own(capsys, small_mnist, tmp_path):
    folder, path = tmp_path / "mine", tmp_path / "run"
    folder.mkdir()
    (folder / "bad.txt").write_text("a dull film .\nno wit\n" * 4)
    (folder / "good.txt").write_text("a fine film .\nsuch wit\n" * 4)
    flags = [word for n, v in SMALL.items() for word in (f"--{n.replace('_', '-')}", str(v))]
    short = ["--epochs", "1", "--pretraining-epochs", "1", "--dataset", f"text:{folder}"]
    given = ["train", "masked_language_model", *flags, *short, "--run-dir", str(path)]
    assert main(given) == 0, capsys.readouterr().err
    loaded, trained = driver.read(path, print)
    measured = loaded.measure(trained, jax.random.key(0))
    for name in ("masked_accuracy", "most_frequent_accuracy", "naive_bayes_accuracy"):
        assert 0 <= measured[f"test/{name}"] <= 1
    assert main(["predict", str(path), "A fine film"]) == 0
    # A hidden word is predicted from its place alone, whatever stood there.
    prose, (params,) = trained.dataset["text"], trained.state.below
    x, length = (prose.splits["test"][name][:2] for name in ("x", "length"))
    other = x.copy()
    other[np.arange(2), length // 2] = experiment.FIRST
    model = experiment.token_predictor(trained.config, prose)
    place, shares = fill_in(model, params, x, length, experiment.FIRST)
    np.testing.assert_array_equal(place, length // 2)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(
        shares, fill_in(model, params, other, length, experiment.FIRST)[1], rtol=1e-6
    )
