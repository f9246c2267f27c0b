"""Energy-based systems on images of one's own: of any height and width, grey or in colour."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dlfun.data.dataset import Dataset
from dlfun.data.encoded_images import EncodedImages
from dlfun.errors import UserError
from dlfun.experiment import Trained
from experiments.energy import (
    autoencoder_deep,
    autoencoder_denoising,
    autoencoder_linear,
    hopfield_recall,
    mnist_dbm,
    mnist_dbn,
    mnist_rbm,
    rbm_likelihood,
    som_digits,
)
from experiments.energy.autoencoder_deep.drawing import codes_in_the_plane

KEY = jax.random.key(0)
HEIGHT, WIDTH = 6, 4
SMALL = {
    hopfield_recall: hopfield_recall.Config(patterns=4, cues=2, batch_size=4),
    som_digits: som_digits.Config(width=2, height=2, batch_size=8),
    mnist_rbm: mnist_rbm.Config(hidden=3, epochs=1, scored=1, batch_size=8),
    mnist_dbn: mnist_dbn.Config(hidden=(3, 2), labels=(99,), batch_size=8),
    mnist_dbm: mnist_dbm.Config(hidden=3, top=2, batch_size=8),
}


def images(channels, height=HEIGHT, width=WIDTH, count=12):
    x = np.random.default_rng(1).integers(0, 256, (count, height, width, channels), dtype=np.uint8)
    split = {"image": x, "label": np.arange(count, dtype=np.int32) % 2}
    return Dataset("mine", {"train": split, "test": split}, ("cat", "dog"))


def serve(monkeypatch, experiment, dataset):
    """Have the experiment's `data` load this dataset."""
    owner = experiment if hasattr(experiment, "load") else experiment.sources
    monkeypatch.setattr(owner, "load", lambda *_, **__: dataset)


def untrained(experiment, config):
    """The experiment before its first update."""
    dataset = experiment.data(config)
    if hasattr(experiment, "stages"):
        stage = experiment.stages(config, dataset)[-1]
        learner, used = stage.learner, stage.dataset
    else:
        learner, used = experiment.learner(config, dataset), dataset
    batch = {name: column[:4] for name, column in used.splits["train"].items()}
    state = jax.jit(learner.init)(KEY, batch | {"weight": np.ones(4, np.float32)})
    return Trained(config, dataset, learner, state, 0)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("experiment", SMALL, ids=lambda module: module.__name__.split(".")[-1])
def test_samples_have_the_shape_of_the_images(monkeypatch, experiment, channels):
    serve(monkeypatch, experiment, images(channels))
    if experiment is hopfield_recall and channels == 3:
        with pytest.raises(UserError, match="mine: expected grey images, got 3 channels"):
            experiment.data(SMALL[experiment])
        return
    drawn = list(experiment.sample(untrained(experiment, SMALL[experiment]), KEY, 2))
    assert len(drawn) == 2
    # A cue and what is recalled stand side by side.
    width = 2 * WIDTH if experiment is hopfield_recall else WIDTH
    for image in drawn:
        assert (image.size, image.mode) == ((width, HEIGHT), "L" if channels == 1 else "RGB")


def test_figures_of_images_that_are_not_square(monkeypatch):
    serve(monkeypatch, hopfield_recall, images(1))
    trained = untrained(hopfield_recall, SMALL[hopfield_recall])
    drawn = dict(hopfield_recall.figures(trained, []))
    assert drawn["recall"].axes[0].get_images()[0].get_array().shape == (HEIGHT, WIDTH)


@pytest.mark.parametrize(("channels", "size"), [(3, HEIGHT), (1, 2)])
def test_figures_of_a_map_of_small_and_of_coloured_images(monkeypatch, channels, size):
    serve(monkeypatch, som_digits, images(channels, size, size))
    names = [name for name, _ in som_digits.figures(untrained(som_digits, SMALL[som_digits]), [])]
    assert names == ["map", "hits", "u_matrix", "components"]


def test_a_linear_code_of_coloured_images_is_drawn(monkeypatch):
    serve(monkeypatch, autoencoder_linear, images(3))
    trained = untrained(autoencoder_linear, autoencoder_linear.Config(code=2, batch_size=8))
    ((_, drawn),) = autoencoder_linear.figures(trained, [])
    rows, columns = drawn.axes[0].get_images()[0].get_array().shape
    assert (rows, columns) == (3 * HEIGHT + 2 * 2, 2 * WIDTH + 2)


def test_a_code_of_one_number_lies_on_a_line():
    config, dataset = autoencoder_deep.Config(hidden=(3,), code=1), images(1)
    model = autoencoder_deep.models(config, dataset)["relu"]
    variables = model.init(KEY, jnp.zeros((1, HEIGHT * WIDTH)))
    drawn = codes_in_the_plane(model, variables, dataset)
    points = np.concatenate([dots.get_offsets() for dots in drawn.axes[1].collections])
    assert np.ptp(points[:, 1]) == 0


def test_a_figure_says_how_many_labels_there_were(monkeypatch):
    serve(monkeypatch, mnist_dbn, images(1))
    trained = untrained(mnist_dbn, SMALL[mnist_dbn])
    accuracy = {f"{name}_99_accuracy": 0.5 for name in mnist_dbn.STARTS}
    rows = [{"epoch": 1, "split": split} | accuracy for split in ("train", "test")]
    drawn = dict(mnist_dbn.figures(trained, rows))["accuracy_99"]
    assert drawn.get_suptitle().startswith("From 12 labels")


def test_pca_denoises_images_of_few_pixels(monkeypatch):
    serve(monkeypatch, autoencoder_denoising, images(1, 2, 2))
    config = autoencoder_denoising.Config(hidden=2, batch_size=8)
    trained = untrained(autoencoder_denoising, config)
    assert autoencoder_denoising.measure(trained, KEY)["test/pca_components"] == 4


@pytest.mark.parametrize("experiment", [*SMALL, rbm_likelihood, autoencoder_linear])
def test_images_that_stay_encoded_are_refused_in_one_line(monkeypatch, experiment):
    split = {"image": EncodedImages(["a.png"] * 2), "label": np.arange(2, dtype=np.int32)}
    encoded = Dataset("folder:photos", {"train": split, "test": split}, ("cat", "dog"))
    serve(monkeypatch, experiment, encoded)
    with pytest.raises(UserError, match=r"^folder:photos: .* arrays:FILE.npz$"):
        experiment.data(experiment.Config())


def test_gaussian_units_need_pixels_that_vary():
    split = {"image": np.full((4, 2, 2, 1), 7, np.uint8), "label": np.arange(4, dtype=np.int32)}
    dataset = Dataset("mine", {"train": split, "test": split})
    config = mnist_rbm.Config(units="gaussian")
    with pytest.raises(UserError, match="^mine: Gaussian units need .*; all are 7$"):
        mnist_rbm.inputs(config, dataset)
