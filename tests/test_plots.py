"""Figures of runs: each is drawn, and shows what the run holds."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from dlfun import config as configs
from dlfun import data, plots
from dlfun import experiment as experiments
from dlfun import metrics as measures
from dlfun.errors import UserError
from dlfun.nn import summary
from dlfun.nn.models.cnn import CNN
from dlfun.nn.models.mlp import MLP
from dlfun.nn.models.rnn import RecurrentClassifier
from dlfun.plots import confusion, curves, filters, mistakes, style
from dlfun.train import loop
from dlfun.train import run_directory as runs
from dlfun.train.driver import Trained, read, train
from dlfun.train.options import Options
from experiments.convolutional.feature_maps import drawing as features
from experiments.convolutional.gaussian_smoothing import drawing as smoothing

NAMES = ["learning_curves", "confusion_matrix", "worst_mistakes", "first_layer"]


@pytest.fixture(scope="module")
def trained_run(tmp_path_factory, digits):
    run = tmp_path_factory.mktemp("runs") / "mlp"
    config = experiments.load("mnist_mlp").Config(epochs=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "load", lambda *_, **__: digits)
        train("mnist_mlp", config, Options(), run, "a test")
    return run


def words(figure: Figure) -> str:
    return " ".join(text.get_text() for text in figure.findobj() if hasattr(text, "get_text"))


def test_every_figure_is_drawn(trained_run, small_mnist):
    files = plots.plot(trained_run, pytest.fail)
    assert [file.stem for file in files] == NAMES
    assert sorted((trained_run / "plots").iterdir()) == sorted(files)
    for file in files:
        with Image.open(file) as image:
            assert image.format == "PNG"
            assert min(image.size) >= 400
            assert len(np.unique(np.asarray(image.convert("L")))) > 10


def test_a_learner_without_a_model_still_has_curves_and_confusion(
    trained_run, small_mnist, monkeypatch
):
    module = experiments.load("mnist_mlp")
    build = module.build
    monkeypatch.setattr(module, "build", lambda config: build(config)._replace(model=None))
    warnings = []
    files = plots.plot(trained_run, warnings.append)
    assert [file.stem for file in files] == NAMES[:2]
    assert len(warnings) == 1


def test_without_metrics_the_curves_are_left_out_with_a_warning(
    trained_run, small_mnist, monkeypatch
):
    monkeypatch.setattr(runs, "read_metrics", lambda run: [])
    warnings = []
    assert [file.stem for file in plots.plot(trained_run, warnings.append)] == NAMES[1:]
    assert "learning curves" in warnings[0]


def test_the_counted_confusion_is_the_learners_own(trained_run, small_mnist):
    trained = read(trained_run, pytest.fail)
    test = small_mnist.splits["test"]
    found = plots.probabilities(trained.experiment, trained.position.state.variables, test["image"])
    matrix = confusion.count(test["label"], found)
    measured = loop.evaluate(trained.experiment, trained.position.state)["test"]
    np.testing.assert_array_equal(matrix, measured["confusion"].total)
    accuracy = measures.values(measured)["accuracy"]
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
    figure = curves.draw("some_run", rows)
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
    figure = curves.draw("some_run", rows)
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss, mean per example"]
    assert "0.025 test loss after 40 epochs" in words(figure)


def test_confusion_names_the_most_frequent_mistake_and_annotates_few_classes():
    matrix = np.array([[8, 2, 0], [0, 10, 0], [5, 0, 5]])
    figure = confusion.draw("some_run", "after 1 epoch", matrix, ("cat", "dog", "$owl$"))
    assert "76.67 % test accuracy after 1 epoch" in words(figure)
    assert r"“\$owl\$” taken for “cat”, 5 of 10" in words(figure)
    assert {text.get_text() for text in figure.axes[0].texts} == {"8", "2", "10", "5"}
    np.testing.assert_allclose(figure.axes[0].images[0].get_array(), matrix / 10)
    names = [f"class {i}" for i in range(21)]
    assert not confusion.draw("some_run", "", np.eye(21), names).axes[0].texts


def test_mistakes_come_by_falling_loss_and_only_mistakes():
    rng = np.random.default_rng(0)
    found = rng.dirichlet(np.ones(4), 200).astype(np.float32)
    label = rng.integers(0, 4, 200).astype(np.int32)
    order, guess = mistakes.worst({"label": label}, found)
    losses = -np.log(found[order, label[order]])
    assert set(order) == set(np.flatnonzero(guess != label))
    assert (np.diff(losses) <= 0).all()


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_mistakes_are_drawn_for_images_of_any_channels(channels, tmp_path):
    image = np.full((3, 6, 8, channels), 200, np.uint8)
    split = {"image": image, "label": np.array([0, 1, 1], np.int32)}
    found = np.array([[0.1, 0.9], [0.7, 0.3], [0.2, 0.8]], np.float32)
    figure = mistakes.draw("some_run", "after 1 epoch", split, found, ("a", "a long $name$"))
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
    layer = summary.summarize(model, images)[0]
    figure = filters.draw("some_run", "after 1 epoch", layer, params, images.shape[1:])
    assert title in words(figure)
    low, high = figure.axes[0].images[0].get_clim()
    assert low == -high < 0


def test_each_unit_is_an_image_of_its_own_weights():
    kernel = np.arange(4 * 6 * 2.0).reshape(24, 2) - 20
    layer = summary.Row(("Dense_0",), "Dense", (24,), (2,), 48, 48)
    figure = filters.draw("some_run", "", layer, {"Dense_0": {"kernel": kernel}}, (4, 6, 1))
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
    module = experiments.load("feature_maps")
    config = module.Config(5, (3,))
    experiment = module.build(config)
    start = loop.start(experiment)
    trained = Trained("feature_maps", config, Options(), experiment, jax.device_get(start))
    rows = [{"epoch": 1, "accuracy": 0.5, "saliency_near_ink": 0.6, "near_ink": 0.2}]
    drawn = dict(module.figures(trained, rows))
    assert drawn.keys() == {"kernels", "maps", "saliency"}
    assert [axes.get_title() for axes in drawn["maps"].axes][1].startswith("convolution 1\n3 maps")
    test = trained.experiment.dataset.splits["test"]
    variables = trained.position.state.variables
    inside, logits = features.look(trained.experiment, variables, test["image"][5:6])
    assert [y.shape for y in inside.values()] == [(28, 28, 3), (1, 1, 128)]
    assert str(logits.argmax()) == drawn["maps"].get_suptitle().strip()[-1]
    beyond = trained._replace(config=configs.replace(trained.config, {"shown": 120}))
    with pytest.raises(UserError, match="shown 120: there are only 120 test images"):
        list(features.draw(beyond, rows))


def test_smoothing_is_drawn():
    drawn = smoothing.draw(
        "title", "detail", (0.5, 1.0), np.ones((2, 3, 3)) / 9, np.ones((3, 4, 4)),
        np.array([4.0, 2.0, 1.0]), np.array([8.0, 6.0, 2.0]),
    )  # fmt: skip
    (line,) = drawn.axes[-1].lines
    assert line.get_xydata().tolist() == [[0, 100], [0.5, 75], [1.0, 25]]
    words = [axes.get_xlabel() for axes in drawn.axes]
    assert words[4:6] == ["variation 50 %", "variation 25 %"]
