"""Image folders: unequal images become crops that depend on (seed, epoch, index) alone."""

import io
import logging
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from dlfun import optimizers
from dlfun.algorithms.supervised import supervised
from dlfun.cli.main import main
from dlfun.data import catalogue, load
from dlfun.data import image_decoding as crops
from dlfun.data.encoded_images import EncodedImages, is_encoded, resized, uniforms
from dlfun.data.image_decoding import central_crop, pixels, random_crop
from dlfun.data.images import normalize
from dlfun.errors import UserError
from dlfun.experiment import Stage
from dlfun.nn import losses
from dlfun.nn.models.mlp import MLP
from dlfun.optimizers import Optimizer
from dlfun.train import loop
from dlfun.train.compile import compile_learner
from dlfun.train.options import choose_feed

COLOURS = {"blue": (30, 40, 200), "green": (20, 190, 40), "red": (210, 30, 20)}


def save(path, colour, size, mode="RGB"):
    """A noisy image of one colour; red is a JPEG, and one of green a gray PNG."""
    rng = np.random.default_rng(sum(size))
    noise = rng.integers(-20, 20, (*size, 3))
    image = Image.fromarray(np.clip(noise + colour, 0, 255).astype(np.uint8)).convert(mode)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


@pytest.fixture
def folder(tmp_path):
    """3 classes of 6 training and 2 test images: of unequal sizes, gray and RGBA among them."""
    for split, count in (("train", 6), ("val", 2)):
        for name, colour in COLOURS.items():
            for i in range(count):
                suffix = "JPEG" if name == "red" else "png"
                mode = {0: "RGBA", 1: "L"}.get(i, "RGB") if name == "blue" else "RGB"
                save(
                    tmp_path / split / name / f"{i}.{suffix}",
                    colour,
                    (20 + 3 * i, 41 - 2 * i),
                    mode,
                )
    (tmp_path / "train" / "red" / "notes.txt").write_text("not an image")
    (tmp_path / "train" / "red" / ".hidden.png").write_text("not an image")
    return tmp_path


def test_a_folder_is_its_classes_and_images(folder):
    dataset = load(f"folder:{folder}")
    assert dataset.classes == ("blue", "green", "red")
    assert {name: dataset.size(name) for name in dataset.splits} == {"train": 18, "test": 6}
    assert dataset.splits["train"]["label"].tolist() == np.repeat([0, 1, 2], 6).tolist()
    images = resized(dataset, 16).splits["train"]["image"]
    assert (images.shape, images.dtype, len(images)) == ((18, 16, 16, 3), np.uint8, 18)
    for index in (4, 8, 13):  # None of them gray.
        mean = images[index].mean(axis=(0, 1))
        assert mean.argmax() == [2, 1, 0][dataset.splits["train"]["label"][index]]
    gray = images[1]
    assert (gray[..., 0] == gray[..., 1]).all()


def test_indices_as_of_an_array(folder):
    images = resized(load(f"folder:{folder}"), 8).splits["train"]["image"]
    whole = np.asarray(images)
    for index in (3, slice(2, 5), np.array([[7, 1], [1, -1]]), slice(None, None, -4)):
        np.testing.assert_array_equal(images[index], whole[index])
    some = images.take(np.array([5, 2]))
    np.testing.assert_array_equal(np.asarray(some), whole[[5, 2]])


def test_a_crop_is_a_function_of_seed_epoch_and_index(folder):
    images = resized(load(f"folder:{folder}"), 8).splits["train"]["image"]
    order = np.array([[4, 9], [0, -1]])
    drawn, there = images.read(order, (3, 1))
    assert there.tolist() == [[True, True], [True, False]]
    assert not drawn[1, 1].any()
    np.testing.assert_array_equal(images.read(np.array([9]), (3, 1))[0][0], drawn[0, 1])
    for other in ((3, 2), (4, 1)):
        assert (images.read(order, other)[0] != drawn).any()
    numbers = uniforms(3, 1, 9, crops.DRAWS)
    chosen = pixels(images.files[9], 8, lambda w, h: random_crop(w, h, numbers))
    np.testing.assert_array_equal(drawn[0, 1], chosen)


@pytest.mark.parametrize(("width", "height"), [(500, 375), (40, 300), (1, 1)])
def test_random_crops_lie_within_and_are_as_large_as_said(width, height):
    found = [random_crop(width, height, uniforms(0, 0, i, crops.DRAWS)) for i in range(2000)]
    left, top, w, h, mirrored = np.array(found).T
    assert (np.minimum(left, top) >= 0).all()
    assert (left + w <= width).all()
    assert (top + h <= height).all()
    assert 0.45 < mirrored.mean() < 0.55
    if width > 100:
        area, ratio = w * h / (width * height), w / h
        assert area.min() > 0.078
        # Large areas of extreme aspect do not fit: the mean lies below that of all, 0.54.
        assert 0.41 < area.mean() < 0.47
        assert ratio.min() > 0.74
        assert ratio.max() < 1.35
        assert abs(np.log(ratio).mean()) < 0.05
        # All places are as likely: on average the middle.
        free = width - w > 20
        assert abs((left / (width - w).clip(1))[free].mean() - 0.5) < 0.03


def test_the_central_crop_is_that_of_the_resized_image():
    ramp = np.add.outer(np.arange(300), np.arange(400))[..., None] * np.array([0.3, 0.2, 0.1])
    image = Image.fromarray(ramp.astype(np.uint8))
    resized = np.asarray(image.resize((341, 256), Image.Resampling.BILINEAR))[16:240, 58:282]
    ours = pixels(np.asarray(image), 224, central_crop)
    assert np.abs(ours.astype(int) - resized).mean() < 1


def test_a_large_jpeg_is_decoded_small_to_nearly_the_same(tmp_path):
    smooth = Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8))
    smooth.resize((1200, 900), Image.Resampling.BICUBIC).save(tmp_path / "x.jpg", quality=95)
    ours = pixels(str(tmp_path / "x.jpg"), 64, central_crop)
    whole = pixels(np.asarray(Image.open(tmp_path / "x.jpg")), 64, central_crop)
    assert np.abs(ours.astype(int) - whole).mean() < 2


def test_a_turned_photograph_is_upright_and_transparency_white(tmp_path):
    dark = np.zeros((40, 60, 3), np.uint8)
    dark[:, 30:] = 255
    tag = Image.Exif()
    tag[0x0112] = 6  # The camera was turned: the first row is on the right.
    Image.fromarray(dark).save(tmp_path / "turned.jpg", exif=tag)
    light = pixels(str(tmp_path / "turned.jpg"), 8, central_crop)[..., 0]
    assert light[0].max() < 50
    assert light[-1].min() > 200
    Image.new("RGBA", (9, 9), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    assert (pixels(str(tmp_path / "clear.png"), 4, central_crop) == 255).all()


def test_only_formats_of_plain_code_are_opened(tmp_path):
    """An EPS file is a program, which Pillow would have Ghostscript run."""
    eps = io.BytesIO()
    Image.new("RGB", (9, 9)).save(eps, "EPS")
    (tmp_path / "x.png").write_bytes(eps.getvalue())
    with pytest.raises(UserError, match="x.png: not a readable image"):
        pixels(str(tmp_path / "x.png"), 4, central_crop)


def test_an_image_of_too_many_pixels_is_refused_when_its_folder_is_read(folder, monkeypatch):
    monkeypatch.setattr(crops, "MOST_PIXELS", 100)
    with pytest.raises(UserError, match=r"too large, expected at most 100 pixels.*--skip-unread"):
        resized(load(f"folder:{folder}"), 8)


def test_decoded_images_are_cropped_alike(digits):
    dataset = resized(digits, 20)
    assert is_encoded(dataset)
    assert dataset.splits["test"]["image"][:2].shape == (2, 20, 20, 3)
    whole = resized(digits, 28).splits["test"]["image"].read(np.arange(3), (0, 0))[0]
    assert (whole != np.asarray(digits.splits["test"]["image"][:3])).any()


def test_training_on_a_folder_learns_and_goes_on_to_the_same_bits(folder):
    """14 images, 4 more of validation, in batches of 5: the same crops and bits on resuming."""
    dataset = resized(load(f"folder:{folder}", validation=0.2), 8)
    assert {name: dataset.size(name) for name in dataset.splits} == {
        "train": 14,
        "validation": 4,
        "test": 6,
    }
    learner = supervised(
        MLP((16,), 3),
        losses.cross_entropy,
        optimizers.make_optimizer(Optimizer("sgd", 0.03)),
        inputs=normalize(),
    )
    work = loop.Work(Stage(learner, dataset, epochs=20, batch_size=5), (0,))
    assert choose_feed([dataset]) == "stream"
    programs = compile_learner(lambda _: learner, feed="stream")
    positions, evaluated = [], []
    for progress in loop.fit(work, loop.start(work, programs), programs):
        positions.append(jax.device_get(progress.position))
        if progress.evaluated:
            evaluated.append(loop.member(progress.evaluated, 0))
            counts = {name: float(m["loss"].count) for name, m in evaluated[-1].items()}
            assert counts == {"train": 14, "validation": 4, "test": 6}
    first, last = (float(e["test"]["loss"].total) for e in (evaluated[0], evaluated[-1]))
    assert last < 0.8 * first
    middle = next(position for position in positions if position.step >= 7)
    middle = middle._replace(state=jax.tree.map(jnp.asarray, middle.state))
    *_, end = loop.fit(work, middle, programs)
    ends = jax.device_get(end.position.state), positions[-1].state
    jax.tree.map(np.testing.assert_array_equal, *ends)


def test_damage_behind_the_header_is_named_or_weighs_nothing(folder, caplog):
    file = folder / "train" / "green" / "3.png"
    file.write_bytes(file.read_bytes()[:-300])
    strict, lenient = (resized(load(f"folder:{folder}"), 8, skip) for skip in (False, True))
    with pytest.raises(UserError, match=r"green/3\.png: cannot be read .*--skip-unreadable"):
        strict.splits["train"]["image"].read(np.arange(18))
    there = lenient.splits["train"]["image"].read(np.arange(18))[1]
    assert np.flatnonzero(~there).tolist() == [9]
    lenient.splits["train"]["image"].read(np.arange(18), (0, 0))
    assert caplog.text.count("green/3.png") == 1


def test_unreadable_images_are_named_and_counted_and_skipped_if_asked(folder, caplog):
    (folder / "train" / "red" / "1.JPEG").write_bytes(b"no image")
    (folder / "train" / "red" / "2.JPEG").write_bytes(b"")
    told = r"2 of 18 images in train cannot be read: .*red/1\.JPEG: not a readable image"
    with pytest.raises(UserError, match=told):
        resized(load(f"folder:{folder}"), 8)
    with caplog.at_level(logging.WARNING):
        dataset = resized(load(f"folder:{folder}"), 8, skip_unreadable=True)
    assert "2 of 18" in caplog.text
    assert np.bincount(dataset.splits["train"]["label"]).tolist() == [6, 6, 4]
    for file in (folder / "val" / "red").iterdir():
        file.write_bytes(b"")
    with pytest.raises(UserError, match="no image of class 'red' in test can be read"):
        resized(load(f"folder:{folder}"), 8, skip_unreadable=True)


def spoil(folder, how):
    if how == "empty":
        (folder / "train" / "violet").mkdir()
        (folder / "val" / "violet").mkdir()
    elif how == "missing":
        (folder / "val" / "red").rename(folder / "val" / "rde")
    elif how == "no train":
        (folder / "train").rename(folder / "tarin")
    elif how == "one class":
        for name in ("red", "green"):
            (folder / "train" / name).rename(folder / name)


@pytest.mark.parametrize(
    ("how", "flags", "told"),
    [
        ("empty", [], "class 'violet' is empty: no image in .*violet"),
        ("missing", [], r"other classes than train: it lacks 'red' and has 'rde' \(did you mean"),
        ("no train", [], r"no folder 'train' \(did you mean 'tarin'\?\).*/train/CLASS"),
        ("one class", [], "has 1 class: expected .* at least two"),
        ("", ["--architecture", "resnet81"], r"unknown architecture 'resnet81' \(did you mean"),
        ("", ["--architecture", "alexnet"], "Pool_1: a 2x2 image leaves no output under a 3x3"),
        ("", ["--feed", "memory"], "--feed memory: folder:.* is decoded as it is read"),
        ("", ["--dataset", "folder:nowhere"], "'folder:nowhere': no such folder; expected"),
        ("", ["--dataset", "."], r"unknown dataset '\.' \(did you mean 'folder:\.'\?\)"),
    ],
)
def test_bad_input_is_told_in_one_line(folder, capsys, how, flags, told):
    spoil(folder, how)
    command = ["train", "imagenet_recipe", "--run-dir", str(folder / "run"), "--batch-size", "4"]
    assert main([*command, "--dataset", f"folder:{folder}", *flags]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("error: ")
    assert re.search(told, said), said


def test_a_tenth_of_train_is_test_where_there_is_no_other(folder):
    (folder / "val").rename(folder / "other")
    dataset = load(f"folder:{folder}")
    assert (dataset.size("train"), dataset.size("test")) == (16, 2)
    assert isinstance(dataset.splits["test"]["image"], EncodedImages)


def test_the_catalogue_lists_folders(folder):
    entry = next(e for e in catalogue(folder.parent) if e.name == f"folder:{folder.name}")
    assert entry.present
    assert entry.examples == {"train": 18, "validation": 6}
    assert load(entry.name, data_dir=folder.parent).size("train") == 18
