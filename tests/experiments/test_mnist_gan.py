"""Games of images: what judges them, images by class, the record of a game, spectral norms."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from dlfun import experiment as experiments
from dlfun.cli.main import main
from dlfun.data.images import pixels
from dlfun.experiment import Trained
from dlfun.train import driver
from experiments.generative import mnist_wgan_gp
from experiments.generative.mnist_gan import judge

pytestmark = pytest.mark.slow  # They share a training of many seconds.
SMALL = ["--channels", "4", "3", "--scored", "60", "--parts", "3", "--epochs", "1"]


@pytest.fixture(scope="module")
def run(tmp_path_factory, small_mnist_in_module):
    """A short training of mnist_cgan with spectral norms."""
    folder = tmp_path_factory.mktemp("runs") / "cgan"
    assert main(["train", "mnist_cgan", *SMALL, "--spectral", "--run-dir", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def trained(run):
    return driver.read(run, print)[1]


def test_the_class_is_read_from_the_features(trained):
    dataset, variables = trained.dataset, trained.state.below[0]
    test = dataset.splits["test"]
    x = np.asarray(pixels(jnp.asarray(test["image"])))
    seen = judge.features(dataset, variables, x)
    assert seen.shape == (len(x), judge.FEATURES)
    learner = judge.classifier(dataset)
    examples = jax.tree.map(jnp.asarray, test)
    fresh = learner.init(jax.random.key(0), examples)
    state = fresh._replace(params=jax.tree.map(jnp.asarray, variables["params"]))
    logits = learner.predict(state, examples)
    np.testing.assert_array_equal(judge.classes_read(variables, seen), logits.argmax(axis=1))


def test_one_half_of_the_test_images_is_as_far_as_itself(trained):
    halves = judge.halves_of_test(trained.dataset, trained.state.below[0], 60)
    assert [len(half) for half in halves] == [60, 60]
    assert judge.distance_ratio(halves[1], halves) == pytest.approx(1)
    assert judge.distance_ratio(halves[0], halves) == pytest.approx(0, abs=1e-3)
    assert judge.distance_ratio(1 + halves[0], halves) > 1


def test_classes_are_covered_from_a_share_on():
    read = np.array([0] * 90 + [1] * 8 + [2, 2])
    assert judge.covered(read, 10) == 3
    assert judge.covered(read[:-1], 10) == 2


def test_samples_of_a_class(run, trained, capsys):
    """The class changes the image, the seed chooses it, and without a class all come in turn."""
    (sample,) = [experiments.load("mnist_cgan").sample]
    key = jax.random.key(0)
    (seven, *_), (three, *_) = (list(sample(trained, key, 2, label)) for label in ("7", "3"))
    in_turn = list(sample(trained, key, 12))
    assert np.asarray(seven).shape == (28, 28)
    assert (np.asarray(seven) != np.asarray(three)).any()
    again = list(sample(trained, key, 12, "7"))
    np.testing.assert_array_equal(in_turn[7], again[7])
    assert main(["sample", str(run), "--class", "7", "--count", "4"]) == 0
    grid = np.asarray(Image.open(capsys.readouterr().out.splitlines()[-1]))
    assert grid.shape == (2 + 2 * 30, 2 + 2 * 30)


def test_a_class_that_is_not_there_is_one_line(run, capsys):
    assert main(["sample", str(run), "--class", "ten"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "no class 'ten'" in line
    assert "expected 0, 1, 2" in line


def test_a_game_that_diverges_says_so_with_its_step(tmp_path, small_mnist, capsys):
    flags = ["--optimizer.name", "sgd", "--optimizer.learning-rate", "1e30", "--clip", "None"]
    folder = str(tmp_path / "run")
    assert main(["train", "mnist_wgan", *SMALL, *flags, "--run-dir", folder]) == 3
    assert "step" in capsys.readouterr().err


def test_weights_of_both_critics(small_mnist):
    """The clipped one's are kept by the stage after it, and are within the bounds."""
    experiment = experiments.load("mnist_wgan_gp")
    config = dataclasses.replace(experiment.default, channels=(4, 3), epochs=1)
    dataset, key, state = experiment.data(config), jax.random.key(0), None
    rows = {name: jnp.asarray(c[:4]) for name, c in dataset.splits["train"].items()}
    batch = rows | {"weight": jnp.ones(4)}
    for stage in experiment.stages(config, dataset):
        fresh = jax.jit(stage.learner.init)(key, batch)
        state = fresh if state is None else stage.begin(state, fresh)
        if stage.name == "clipping":
            state, _ = jax.jit(stage.learner.update)(state, batch, key)
    weights = mnist_wgan_gp.weights(Trained(config, dataset, stage.learner, state, 0))
    ends = {name: float(np.abs(kernels).max()) for name, kernels in weights.items()}
    assert ends["clipping"] == pytest.approx(mnist_wgan_gp.CLIP)
    assert ends["penalty"] > 10 * mnist_wgan_gp.CLIP
