"""Predictions of files: equal to those of the arrays; bad files are named before any of them."""

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from dlfun import config as configs
from dlfun import data
from dlfun import experiment as experiments
from dlfun.cli.predict import predict
from dlfun.data import image_decoding
from dlfun.errors import UserError
from dlfun.train.driver import read, train
from dlfun.train.options import Options
from dlfun.train.prediction import no_classifier, probabilities


@pytest.fixture(scope="module")
def trained_run(tmp_path_factory, digits):
    run = tmp_path_factory.mktemp("runs") / "mlp"
    config = configs.replace(experiments.load("mnist_mlp").default, {"epochs": 3})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "read", lambda *_: digits)
        train("mnist_mlp", config, Options(), run, "a test")
    return run


@pytest.fixture
def image(small_mnist):
    return small_mnist.splits["test"]["image"][0, :, :, 0]


def ask(run, *files, invert=False):
    notes = []
    return list(predict(run, files, invert, notes.append)), notes


def test_files_get_what_their_arrays_get(trained_run, small_mnist, tmp_path):
    images = small_mnist.splits["test"]["image"][:3]
    files = [tmp_path / f"{i}.png" for i in range(3)]
    for file, pixels in zip(files, images, strict=True):
        Image.fromarray(pixels[:, :, 0]).save(file)
    rows, notes = ask(trained_run, *files)
    _, trained = read(trained_run, pytest.fail)
    expected = probabilities(trained.learner, trained.state, images)
    assert notes == []
    assert [row["file"] for row in rows] == [str(file) for file in files]
    for row, wanted in zip(rows, expected, strict=True):
        values = list(row["probabilities"].values())
        assert list(row["probabilities"]) == list(small_mnist.classes)
        np.testing.assert_allclose(values, wanted, rtol=1e-5, atol=1e-7)
        assert sum(row["probabilities"].values()) == pytest.approx(1, abs=1e-5)
        assert row["class"] == small_mnist.classes[wanted.argmax()]
        assert row["probability"] == max(row["probabilities"].values())


def test_probabilities_do_not_depend_on_the_batch(trained_run, small_mnist):
    _, trained = read(trained_run, pytest.fail)
    images = small_mnist.splits["test"]["image"]
    whole = probabilities(trained.learner, trained.state, images)
    parts = probabilities(trained.learner, trained.state, images, batch_size=50)
    assert whole.dtype == np.float32
    np.testing.assert_allclose(whole, parts, rtol=1e-5, atol=1e-7)


def as_rgb(image):
    return Image.fromarray(image).convert("RGB")


def as_sixteen_bits(image):
    return Image.fromarray(image.astype(np.uint16) * 257)


def as_opaque(image):
    return Image.fromarray(image).convert("RGBA")


@pytest.mark.parametrize("convert", [as_rgb, as_sixteen_bits, as_opaque])
def test_the_format_of_the_pixels_changes_nothing(trained_run, image, tmp_path, convert):
    Image.fromarray(image).save(tmp_path / "plain.png")
    convert(image).save(tmp_path / "other.png")
    (plain, other), _ = ask(trained_run, tmp_path / "plain.png", tmp_path / "other.png")
    assert plain["probabilities"] == other["probabilities"]


def test_an_inverted_image_is_noticed_and_invert_mends_it(trained_run, image, tmp_path):
    right, wrong = tmp_path / "right.png", tmp_path / "wrong.png"
    Image.fromarray(image).save(right)
    Image.fromarray(255 - image).save(wrong)
    (expected, _), notes = ask(trained_run, right, wrong)
    assert [note.split(":")[0] for note in notes] == [str(wrong)]
    assert "try with --invert" in notes[0]
    (mended,), notes = ask(trained_run, wrong, invert=True)
    assert mended["probabilities"] == pytest.approx(expected["probabilities"], rel=1e-4)
    assert notes == []
    _, notes = ask(trained_run, right, invert=True)
    assert "try without --invert" in notes[0]


def test_black_on_transparent_reads_as_black_on_white(trained_run, image, tmp_path):
    ink = np.zeros((28, 28, 4), np.uint8)
    ink[:, :, 3] = image
    Image.fromarray(ink).save(tmp_path / "ink.png")
    Image.fromarray(image).save(tmp_path / "plain.png")
    (drawn,), _ = ask(trained_run, tmp_path / "ink.png", invert=True)
    (plain,), _ = ask(trained_run, tmp_path / "plain.png")
    assert drawn["probabilities"] == pytest.approx(plain["probabilities"], rel=1e-4)


def test_another_size_is_resized_with_a_note(trained_run, image, tmp_path):
    file = tmp_path / "large.png"
    Image.fromarray(image).resize((100, 80)).save(file)
    Image.fromarray(image).save(tmp_path / "plain.png")
    (row,), notes = ask(trained_run, file)
    assert notes == [f"{file}: resized from 100x80 to 28x28"]
    (plain,), _ = ask(trained_run, tmp_path / "plain.png")
    assert row["class"] == plain["class"]


def bad_text(file, image):
    file.write_text("not an image")


def bad_truncated(file, image):
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (28, 28), np.uint8)).save(file)
    file.write_bytes(file.read_bytes()[:300])


def bad_folder(file, image):
    file.mkdir()


def bad_float(file, image):
    Image.fromarray(image.astype(np.float32)).save(file, format="TIFF")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda file, image: None, "no such file"),
        (bad_text, "not a readable image"),
        (bad_truncated, "cannot be read"),
        (bad_folder, "a directory"),
        (bad_float, "expected 8 or 16 bits"),
    ],
)
def test_bad_files_are_named_before_anything_is_predicted(
    trained_run, image, tmp_path, spoil, reason
):
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    Image.fromarray(image).save(good)
    spoil(bad, image)
    with pytest.raises(UserError, match=reason) as error:
        next(predict(trained_run, [good, bad], False, pytest.fail))
    assert str(error.value).startswith(f"{bad}: ")
    assert "expected an image file" in str(error.value)


@pytest.mark.parametrize("pillow", [10**9, 500, 300], ids=["ours", "its warning", "its error"])
def test_a_decompression_bomb_is_refused(trained_run, image, tmp_path, monkeypatch, pillow):
    Image.fromarray(image).save(tmp_path / "bomb.png")
    monkeypatch.setattr(image_decoding, "MOST_PIXELS", 700)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", pillow)
    with pytest.raises(UserError, match="bomb.png: too large, expected at most 700 pixels"):
        ask(trained_run, tmp_path / "bomb.png")


@pytest.mark.parametrize(
    ("predict_images", "reason"),
    [
        (None, "it predicts no classes"),
        (lambda state, batch: {"logits": batch["image"]}, "not a logit of each class"),
        (lambda state, batch: jnp.ones((len(batch["image"]), 2)), "not a logit of each class"),
        (lambda state, batch: batch["text"], "depend on 'text', not on an image alone"),
    ],
)
def test_what_does_not_classify_images_is_named(
    trained_run, small_mnist, monkeypatch, predict_images, reason
):
    experiment, trained = read(trained_run, pytest.fail)
    other = trained._replace(learner=trained.learner._replace(predict=predict_images))
    assert reason in no_classifier(other.learner, other.state, small_mnist)
    monkeypatch.setattr("dlfun.train.driver.read", lambda *_: (experiment, other))
    with pytest.raises(UserError, match="'mnist_mlp' does not classify images") as error:
        ask(trained_run, "a sentence, which is no image file")
    assert reason in str(error.value)
    assert "\n" not in str(error.value)


def test_data_without_images_is_named(trained_run, small_mnist):
    _, trained = read(trained_run, pytest.fail)
    assert no_classifier(trained.learner, trained.state, small_mnist) is None
    table = {name: {"x": np.zeros((4, 2), np.float32)} for name in ("train", "test")}
    reason = no_classifier(trained.learner, trained.state, small_mnist._replace(splits=table))
    assert reason == "mnist has no images of bytes"


def test_a_directory_that_is_no_run_is_refused(image, tmp_path):
    Image.fromarray(image).save(tmp_path / "digit.png")
    with pytest.raises(UserError, match="is not a run directory"):
        ask(tmp_path, tmp_path / "digit.png")
