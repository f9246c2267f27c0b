"""Figures of runs: each is drawn, and shows what the run holds."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from dlfun import config as configs
from dlfun import data
from dlfun import experiment as experiments
from dlfun import metrics as measures
from dlfun.cli.plot import plot
from dlfun.errors import UserError
from dlfun.experiment import Objective, Trained
from dlfun.nn import summary
from dlfun.nn.models.cnn import CNN
from dlfun.nn.models.mlp import MLP
from dlfun.nn.models.rnn import RecurrentClassifier
from dlfun.plots import confusion, curves, filters, mistakes, style
from dlfun.random import stream
from dlfun.train import run_directory
from dlfun.train.driver import evaluate, read, train
from dlfun.train.loop import sample_batch
from dlfun.train.options import Options
from dlfun.train.prediction import probabilities
from experiments.convolutional import feature_maps
from experiments.convolutional.feature_maps import drawing as features
from experiments.convolutional.gaussian_smoothing import drawing as smoothing

NAMES = ["learning_curves", "confusion_matrix", "worst_mistakes", "first_layer"]


@pytest.fixture(scope="module")
def trained_run(tmp_path_factory, digits):
    run = tmp_path_factory.mktemp("runs") / "mlp"
    config = configs.replace(experiments.load("mnist_mlp").default, {"epochs": 2})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "read", lambda *_: digits)
        train("mnist_mlp", config, Options(), run, "a test")
    return run


def words(figure: Figure) -> str:
    return " ".join(text.get_text() for text in figure.findobj() if hasattr(text, "get_text"))


def test_every_figure_is_drawn(trained_run, small_mnist):
    files = plot(trained_run, pytest.fail)
    assert [file.stem for file in files] == NAMES
    assert sorted((trained_run / "plots").iterdir()) == sorted(files)
    for file in files:
        with Image.open(file) as image:
            assert image.format == "PNG"
            assert min(image.size) >= 400
            assert len(np.unique(np.asarray(image.convert("L")))) > 10


def test_a_learner_that_predicts_nothing_still_has_curves_and_first_layer(
    trained_run, small_mnist, monkeypatch
):
    experiment, trained = read(trained_run, pytest.fail)
    other = trained._replace(learner=trained.learner._replace(predict=None))
    monkeypatch.setattr("dlfun.train.driver.read", lambda *_: (experiment, other))
    warnings = []
    files = plot(trained_run, warnings.append)
    assert [file.stem for file in files] == [NAMES[0], NAMES[3]]
    assert len(warnings) == 1
    assert "it predicts no classes" in warnings[0]


def test_the_figures_of_an_experiment_take_the_place_of_the_usual_ones(
    trained_run, small_mnist, monkeypatch
):
    experiment, trained = read(trained_run, pytest.fail)
    drawn = []

    def figures(*arguments):
        drawn.extend(arguments)
        yield "only", style.figure(4, 3, "title")

    other = experiment._replace(figures=figures)
    monkeypatch.setattr("dlfun.train.driver.read", lambda *_: (other, trained))
    assert [file.stem for file in plot(trained_run, pytest.fail)] == ["only"]
    (trained_run / "plots" / "only.png").unlink()
    assert drawn == [trained, run_directory.read_metrics(trained_run)]


def test_without_metrics_the_curves_are_left_out_with_a_warning(
    trained_run, small_mnist, monkeypatch
):
    monkeypatch.setattr(run_directory, "read_metrics", lambda run: [])
    warnings = []
    assert [file.stem for file in plot(trained_run, warnings.append)] == NAMES[1:]
    assert "learning curves" in warnings[0]


def test_the_counted_confusion_is_the_learners_own(trained_run, small_mnist):
    _, trained = read(trained_run, pytest.fail)
    test = small_mnist.splits["test"]
    by_class = probabilities(trained.learner, trained.state, test["image"])
    matrix = confusion.count(test["label"], by_class)
    batch = {name: jnp.asarray(column) for name, column in test.items()}
    batch |= {"weight": jnp.ones(len(test["label"]))}
    measured = trained.learner.evaluate(trained.state, batch, stream(0, "evaluate"))
    np.testing.assert_array_equal(matrix, measured["confusion"].total)
    accuracy = evaluate(trained_run, pytest.fail)["test"]["accuracy"]
    assert measures.values(measured)["accuracy"] == pytest.approx(accuracy)
    assert matrix.trace() / matrix.sum() == pytest.approx(accuracy)


def rows_of(epochs, splits=("train", "test")):
    return [
        {"step": e, "epoch": e, "split": split, "loss": 1 / e, "accuracy": 1 - 0.5 / e}
        for e in range(1, epochs + 1)
        for split in splits
    ]


@pytest.mark.parametrize("epochs", [1, 3])
def test_curves_hold_every_row_and_the_final_figure(epochs):
    rows = rows_of(epochs, ("train", "validation", "test"))
    figure = curves.learning_curves("some_run", rows, Objective("accuracy", "max"))
    assert len(figure.axes) == 2
    for axes, name in zip(figure.axes, ("loss", "accuracy"), strict=True):
        assert len(axes.lines) == 3
        for line in axes.lines:
            assert line.get_marker() != "None"
            np.testing.assert_allclose(line.get_ydata(), [row[name] for row in rows[::3]])
        low, high = axes.get_ylim()
        assert low <= min(row[name] for row in rows) <= max(row[name] for row in rows) <= high
    final = f"{50 + 50 * (epochs - 1) / epochs:.2f} % test accuracy after {epochs} epoch"
    assert f"some_run: {final}" in words(figure)


def test_curves_of_a_learner_that_knows_no_accuracy():
    rows = [{k: v for k, v in row.items() if k != "accuracy"} for row in rows_of(40)]
    figure = curves.learning_curves("some_run", rows, Objective())
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss, mean per example"]
    assert "0.025 test loss after 40 epochs" in words(figure)


def test_curves_show_the_objective_where_there_is_no_loss():
    rows = [{"step": e, "epoch": e, "split": "train", "mean_return": -5.0 + e} for e in (1, 2)]
    figure = curves.learning_curves("some_run", rows, Objective("mean_return", "max"))
    assert [axes.get_ylabel() for axes in figure.axes] == ["mean return"]
    assert "-3 train mean return after 2 epochs" in words(figure)
    np.testing.assert_allclose(figure.axes[0].lines[0].get_ydata(), [-4, -3])


def test_confusion_names_the_most_frequent_mistake_and_annotates_few_classes():
    matrix = np.array([[8, 2, 0], [0, 10, 0], [5, 0, 5]])
    figure = confusion.confusion_matrix(
        "some_run", "after 1 epoch", matrix, ("cat", "dog", "$owl$")
    )
    assert "76.67 % test accuracy after 1 epoch" in words(figure)
    assert r"“\$owl\$” taken for “cat”, 5 of 10" in words(figure)
    assert {text.get_text() for text in figure.axes[0].texts} == {"8", "2", "10", "5"}
    np.testing.assert_allclose(figure.axes[0].images[0].get_array(), matrix / 10)
    names = [f"class {i}" for i in range(21)]
    assert not confusion.confusion_matrix("some_run", "", np.eye(21), names).axes[0].texts


def test_mistakes_come_in_the_order_of_what_is_printed_and_only_mistakes():
    rng = np.random.default_rng(0)
    by_class = rng.dirichlet(np.ones(4), 200).astype(np.float32)
    label = rng.integers(0, 4, 200).astype(np.int32)
    order, guess = mistakes.worst({"label": label}, by_class)
    printed = by_class[order].max(axis=1)
    assert set(order) == set(np.flatnonzero(guess != label))
    assert (np.diff(printed) <= 0).all()


def test_kernels_of_three_channels_are_shown_in_colour():
    kernel = np.zeros((3, 3, 3, 2), np.float32)
    kernel[..., 0, 0], kernel[..., 2, 1] = 1, -1
    figure = filters.first_layer("some_run", "", {"kernel": kernel}, (8, 8, 3))
    (image,) = figure.axes[0].images
    pixels = np.asarray(image.get_array())
    np.testing.assert_allclose(pixels[0, 0], [1, 0.5, 0.5])  # Excited by red.
    np.testing.assert_allclose(pixels[0, -1], [0.5, 0.5, 0])  # Inhibited by blue.
    assert "the colour excites the unit" in words(figure)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_mistakes_are_drawn_for_images_of_any_channels(channels, tmp_path):
    image = np.full((3, 6, 8, channels), 200, np.uint8)
    split = {"image": image, "label": np.array([0, 1, 1], np.int32)}
    by_class = np.array([[0.1, 0.9], [0.7, 0.3], [0.2, 0.8]], np.float32)
    figure = mistakes.worst_mistakes(
        "some_run", "after 1 epoch", split, by_class, ("a", "a long $name$")
    )
    assert "the 2 worst of 2 mistakes on 3 test images" in words(figure)
    assert len(figure.axes[0].texts) == 2
    assert style.save(figure, tmp_path / "mistakes.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("model", "title"),
    [
        (MLP((70,)), "64 of the 70 first-layer units"),
        (MLP((7,)), "the 7 first-layer units"),
        (CNN((4,), (8,)), "the 4 3×3 kernels of the first convolution"),
        (RecurrentClassifier("rnn", 8), "first recurrent layer"),
        (RecurrentClassifier("gru", 8), "update gate"),
        (RecurrentClassifier("lstm", 8), "forget gate"),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_the_first_layer_is_drawn_for_every_kind_of_model(model, title, channels):
    images = jnp.zeros((1, 12, 12, channels))
    params = jax.eval_shape(model.init, jax.random.key(0), images)["params"]
    rng = np.random.default_rng(0)
    params = jax.tree.map(lambda p: rng.normal(size=p.shape), params)
    layer = summary.layer_parameters(params, summary.summarize(model, images)[0])
    figure = filters.first_layer("some_run", "after 1 epoch", layer, images.shape[1:])
    assert title in words(figure)
    image = figure.axes[0].images[0]
    low, high = image.get_clim()
    assert low == -high < 0 or (image.get_array().shape[2:], channels) == ((3,), 3)


def test_each_unit_is_an_image_of_its_own_weights():
    kernel = np.arange(4 * 6 * 2.0).reshape(24, 2) - 20
    figure = filters.first_layer("some_run", "", {"kernel": kernel}, (4, 6, 1))
    shown = figure.axes[0].images[0].get_array()
    np.testing.assert_array_equal(shown[:16:4, :24:4], kernel[:, 0].reshape(4, 6))
    np.testing.assert_array_equal(shown[:16:4, 27::4], kernel[:, 1].reshape(4, 6))


def test_tiles_are_the_images_apart():
    images = list(np.arange(5 * 2 * 3.0).reshape(5, 2, 3))
    canvas, corners = style.tiled(images, 2, (1, 2))
    assert canvas.shape == (3 * 2 + 2, 2 * 3 + 2)
    for image, (top, left) in zip(images, corners, strict=True):
        np.testing.assert_array_equal(canvas[top : top + 2, left : left + 3], image)
    assert np.isfinite(canvas).sum() == 5 * 2 * 3


def test_a_figure_that_cannot_be_written_leaves_nothing(tmp_path, monkeypatch):
    def full(self, path, **_):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", full)
    with pytest.raises(OSError, match="No space left"):
        style.save(Figure(), tmp_path / "figure.png")
    assert not list(tmp_path.iterdir())


def test_what_a_network_sees_is_drawn_of_any_layers(small_mnist):
    """A tile for each kernel, map and unit, and the class it is read as."""
    config = feature_maps.Config(5, (3,))
    dataset = feature_maps.data(config)
    learner = feature_maps.learner(config, dataset)
    state = jax.jit(learner.init)(stream(0, "init"), sample_batch(dataset))
    trained = Trained(config, dataset, learner, jax.device_get(state), 0)
    rows = [{"epoch": 1, "accuracy": 0.5, "saliency_near_ink": 0.6, "near_ink": 0.2}]
    drawn = dict(feature_maps.figures(trained, rows))
    assert drawn.keys() == {"kernels", "maps", "saliency"}
    assert [axes.get_title() for axes in drawn["maps"].axes][1].startswith("convolution 1\n3 maps")
    model, inputs = feature_maps.network(config, dataset), feature_maps.INPUTS
    image = inputs(jnp.asarray(dataset.splits["test"]["image"][5:6]))
    hidden, logits = features.layer_outputs(model, state.variables, image)
    assert [y.shape for y in hidden.values()] == [(28, 28, 3), (1, 1, 128)]
    assert str(logits.argmax()) == drawn["maps"].get_suptitle().strip()[-1]
    beyond = trained._replace(config=configs.replace(config, {"shown": 120}))
    with pytest.raises(UserError, match="shown 120: there are only 120 test images"):
        list(features.draw(beyond, rows, model, inputs))


def test_smoothing_is_drawn():
    drawn = smoothing.draw(
        "title", "detail", (0.5, 1.0), np.ones((2, 3, 3)) / 9, np.ones((3, 4, 4)),
        np.array([4.0, 2.0, 1.0]), np.array([8.0, 6.0, 2.0]),
    )  # fmt: skip
    (line,) = drawn.axes[-1].lines
    assert line.get_xydata().tolist() == [[0, 100], [0.5, 75], [1.0, 25]]
    words = [axes.get_xlabel() for axes in drawn.axes]
    assert words[4:6] == ["variation 50 %", "variation 25 %"]
