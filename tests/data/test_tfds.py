"""TFDS sets without a network or TensorFlow, through small builders defined here."""

import errno
import gzip
import io
import re
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image
from tensorflow_datasets.core.utils.lazy_imports_utils import tensorflow as tf

from dlfun import data
from dlfun.data import array_cache, catalogue, load
from dlfun.data.dataset import partition
from dlfun.data.encoded_images import resized
from dlfun.data.image_decoding import central_crop, pixels
from dlfun.data.tfds import labelled_texts
from dlfun.data.tfds_errors import to_user_error
from dlfun.errors import UserError

IMAGES = np.random.default_rng(0).integers(0, 256, (50, 8, 9, 3), dtype=np.uint8)
LABELS = np.arange(50) % 3
SPLITS = {"train": slice(0, 40), "test": slice(40, 50)}


def info(builder, **features):
    described = {
        "image": tfds.features.Image(shape=(8, 9, 3)),
        "label": tfds.features.ClassLabel(names=["red", "green", "blue"]),
    }
    return tfds.core.DatasetInfo(
        builder=builder, features=tfds.features.FeaturesDict(described | features)
    )


def examples(part):
    for index in range(*part.indices(50)):
        yield index, {"image": IMAGES[index], "label": LABELS[index]}


class DlfunColours(tfds.core.GeneratorBasedBuilder):
    """Images as arrays, which TFDS encodes with tf.image."""

    VERSION = tfds.core.Version("1.0.0")
    PARTS = tuple(SPLITS.items())

    def _info(self):
        return info(self)

    def _split_generators(self, dl_manager):
        return {split: self._generate_examples(part) for split, part in self.PARTS}

    def _generate_examples(self, part):
        yield from examples(part)


class DlfunOnlyTrain(DlfunColours):
    """Has no test split."""

    PARTS = (("train", slice(0, 50)),)


class DlfunNoTest(DlfunColours):
    """Has a validation split in the place of test."""

    PARTS = (
        ("train", slice(0, 40)),
        ("validation", slice(40, 50)),
    )


class DlfunThree(DlfunColours):
    """Has all three splits."""

    PARTS = (
        ("train", slice(0, 30)),
        ("validation", slice(30, 40)),
        ("test", slice(40, 50)),
    )


class DlfunNoTrain(DlfunColours):
    """Has no train split."""

    PARTS = (("query", slice(0, 50)),)


class DlfunPacked(DlfunColours):
    """Reads an archive as TFDS's own builders do, with extraction and tf.io.gfile."""

    archive = ""

    def _split_generators(self, dl_manager):
        path = dl_manager.extract(self.archive)
        with tf.io.gfile.GFile(path, "rb") as file:
            pixels = np.frombuffer(file.read(), np.uint8).reshape(IMAGES.shape)
        np.testing.assert_array_equal(pixels, IMAGES)
        return super()._split_generators(dl_manager)


class DlfunVarying(DlfunColours):
    """Has images of unequal sizes, as files."""

    def _info(self):
        return info(self, image=tfds.features.Image(shape=(None, None, 3)))

    def _generate_examples(self, part):
        for index, example in examples(part):
            file = io.BytesIO()
            Image.fromarray(sized(index)).save(file, "PNG")
            file.seek(0)
            yield index, example | {"image": file}


def sized(index):
    """Image `index`, cut or repeated to a size of its own."""
    return np.tile(IMAGES[index], (3, 2, 1))[: 5 + index % 11, : 9 + index % 5]


class DlfunEps(DlfunColours):
    """Has an image that is a program, as its own image or as another of the example."""

    EPS = "image"

    def _info(self):
        return info(self, other=tfds.features.Image(shape=(8, 9, 3)))

    def _generate_examples(self, part):
        for index, example in examples(part):
            file = io.BytesIO()
            Image.fromarray(IMAGES[index]).save(file, "EPS")
            file.seek(0)
            yield index, example | {"other": IMAGES[index]} | {self.EPS: file}


class DlfunText(DlfunColours):
    """Has no image."""

    def _info(self):
        return info(self, image=tfds.features.Text())


class DlfunNews(DlfunColours):
    """Has a title and a text of each class."""

    def _info(self):
        texts = {name: tfds.features.Text() for name in ("title", "description")}
        return info(self, image=tfds.features.Text(), **texts)

    def _generate_examples(self, part):
        for index, example in examples(part):
            yield index, example | {"image": "", "title": f"No. {index}", "description": "It …"}


class DlfunOffline(DlfunColours):
    """Cannot be downloaded."""

    def _split_generators(self, dl_manager):
        import requests

        raise requests.exceptions.ConnectionError("Max retries\nexceeded")


class DlfunNeedsTensorflow(DlfunColours):
    """Calls what the stand-in does not have."""

    def _split_generators(self, dl_manager):
        return tf.data.TFRecordDataset("x")


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """Nothing is read from, or written to, this machine's own folders."""
    monkeypatch.delenv("DLFUN_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def same_examples(split, part):
    """TFDS orders by a hash of the key: compare as sets of (pixels, label)."""
    found = {(image.tobytes(), int(label)) for image, label in zip(*split.values(), strict=True)}
    return found == {
        (image.tobytes(), int(label))
        for image, label in zip(IMAGES[part], LABELS[part], strict=True)
    }


def test_a_set_is_decoded_to_the_arrays_it_was_made_of(tmp_path, capfd):
    dataset = load("tfds:dlfun_colours", data_dir=tmp_path)
    assert dataset.name == "tfds:dlfun_colours"
    assert dataset.classes == ("red", "green", "blue")
    assert list(dataset.splits) == ["train", "test"]
    for name, part in SPLITS.items():
        split = dataset.splits[name]
        assert split["image"].dtype == np.uint8
        assert split["label"].dtype == np.int32
        assert same_examples(split, part)
    assert "tensorflow" not in sys.modules
    assert capfd.readouterr() == ("", "")


def test_the_second_load_maps_the_arrays_and_needs_no_tfds(tmp_path, monkeypatch):
    first = load("tfds:dlfun_colours", data_dir=tmp_path)
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    second = load("tfds:dlfun_colours", data_dir=tmp_path)
    for split, arrays in second.splits.items():
        for name, array in arrays.items():
            assert type(array) is np.memmap
            assert not array.flags.writeable
            np.testing.assert_array_equal(array, first.splits[split][name])


def test_images_of_unequal_sizes_stay_encoded_to_be_cropped(tmp_path, monkeypatch):
    load("tfds:dlfun_varying", data_dir=tmp_path)
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    dataset = resized(load("tfds:dlfun_varying", data_dir=tmp_path), 4)
    for name, part in SPLITS.items():
        found = dataset.splits[name]
        wanted = range(*part.indices(50))
        crops = {(pixels(sized(i), 4, central_crop).tobytes(), int(LABELS[i])) for i in wanted}
        given = zip(np.asarray(found["image"]), found["label"], strict=True)
        assert {(image.tobytes(), int(label)) for image, label in given} == crops
    entry = next(e for e in catalogue(tmp_path) if e.name == "tfds:dlfun_varying")
    assert entry.examples == {"train": 40, "test": 10}
    file = tmp_path / "decoded" / "dlfun_varying" / "train.image.bin"
    file.write_bytes(file.read_bytes()[:-1])
    data.read.cache_clear()
    with pytest.raises(UserError, match=r"train\.image\.bin is missing, truncated.*made again"):
        load("tfds:dlfun_varying", data_dir=tmp_path)


def test_a_damaged_image_of_a_set_is_named(tmp_path):
    images = load("tfds:dlfun_varying", data_dir=tmp_path).splits["test"]["image"]
    images.files.data = np.zeros_like(images.files.data)
    with pytest.raises(UserError, match="tfds:dlfun_varying test, image 3: not a readable image"):
        images[3]


def test_only_formats_of_plain_code_are_decoded(tmp_path, monkeypatch):
    """Those of the column that is read, named where they are others; no other column's."""
    with pytest.raises(UserError, match=r"tfds:dlfun_eps train, image 0: not a readable image"):
        load("tfds:dlfun_eps", data_dir=tmp_path / "image")
    monkeypatch.setattr(DlfunEps, "EPS", "other")
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", lambda *_: pytest.fail("was started"))
    split = load("tfds:dlfun_eps", data_dir=tmp_path / "other").splits["test"]
    assert same_examples(split, SPLITS["test"])


def test_validation_is_held_out_of_mapped_arrays(tmp_path):
    whole = load("tfds:dlfun_colours", data_dir=tmp_path).splits["train"]
    splits = load("tfds:dlfun_colours", data_dir=tmp_path, validation=0.25).splits
    assert len(splits["validation"]["label"]) == 10
    kept, held = partition(40, 0.25, seed=0)
    np.testing.assert_array_equal(splits["train"]["image"], whole["image"][kept])
    np.testing.assert_array_equal(splits["validation"]["image"], whole["image"][held])


def test_archives_are_read_without_tensorflow(tmp_path, monkeypatch):
    archive = tmp_path / "pixels.gz"
    archive.write_bytes(gzip.compress(IMAGES.tobytes()))
    monkeypatch.setattr(DlfunPacked, "archive", str(archive))
    dataset = load("tfds:dlfun_packed", data_dir=tmp_path)
    assert same_examples(dataset.splits["test"], SPLITS["test"])


def test_the_last_tenth_of_train_is_test_where_there_is_no_other(tmp_path):
    splits = load("tfds:dlfun_only_train", data_dir=tmp_path).splits
    assert (len(splits["train"]["label"]), len(splits["test"]["label"])) == (45, 5)
    both = {name: np.concatenate([s[name] for s in splits.values()]) for name in ("image", "label")}
    assert same_examples(both, slice(0, 50))


def test_validation_takes_the_place_of_test(tmp_path):
    splits = load("tfds:dlfun_no_test", data_dir=tmp_path).splits
    assert list(splits) == ["train", "test"]
    assert same_examples(splits["test"], slice(40, 50))


def test_a_validation_split_of_its_own_is_kept_and_no_other_held_out(tmp_path):
    splits = load("tfds:dlfun_three", data_dir=tmp_path).splits
    assert same_examples(splits["validation"], slice(30, 40))
    with pytest.raises(UserError, match="comes with a validation split of 10 examples"):
        load("tfds:dlfun_three", data_dir=tmp_path, validation=0.1)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("dlfun_colour", "no dataset 'dlfun_colour' .did you mean 'dlfun_colours'"),
        ("dlfun_colours/big", "has no config 'big': it has none"),
        ("emnist/lettrs", "has no config 'lettrs' .did you mean 'letters'.*one of balanced"),
        ("dlfun_colours:9.9.9", r"9\.9\.9.*only: 1\.0\.0"),
        ("../dlfun_colours", "is no TFDS name"),
        ("dlfun_text", r"not image classification.*image \(Text\)"),
        ("dlfun_no_train", "has no split 'train': its splits are query"),
        ("dlfun_offline", "cannot be downloaded: no network"),
        ("dlfun_needs_tensorflow", "needs the Python package 'tensorflow'"),
    ],
)
def test_what_cannot_be_loaded_is_told_in_one_line(tmp_path, name, told):
    with pytest.raises(UserError, match=told) as caught:
        load(f"tfds:{name}", data_dir=tmp_path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "decoded").exists()


def test_a_full_disk_is_told(tmp_path):
    error = to_user_error("tfds:x", OSError(errno.ENOSPC, "No space left on device"), tmp_path)
    assert str(error) == f"tfds:x cannot be prepared: no space left below {tmp_path}"


def test_a_folder_marked_read_only_is_read_and_not_written(tmp_path, monkeypatch):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o555)
    monkeypatch.setenv("DLFUN_DATA", str(shared))
    load("tfds:dlfun_colours")
    assert list(shared.iterdir()) == []
    assert (tmp_path / "cache/dlfun/data/decoded/dlfun_colours/meta.json").is_file()


def test_the_catalogue_lists_what_was_decoded(tmp_path):
    load("tfds:dlfun_colours:1.0.0", data_dir=tmp_path)
    entry = next(e for e in catalogue(tmp_path) if e.name == "tfds:dlfun_colours:1.0.0")
    assert entry.present
    assert entry.examples == {"train": 40, "test": 10}
    assert entry.size_bytes > IMAGES.nbytes


@pytest.mark.parametrize(
    "damaged", ["", "null", '{"classes": ["a"], "licence": "", "splits": {"train": 3}}', "[" * 9]
)
def test_damaged_arrays_are_listed_as_such(tmp_path, damaged):
    """Beside them a link to nothing, and a folder that may not be entered."""
    arrays = tmp_path / "decoded"
    for name in ("good", "bad"):
        array_cache.write(arrays / name, ["a"], "free", {"train": array_cache.Source((0,), [])})
    (arrays / "bad/meta.json").write_text(damaged)
    (arrays / "good/more").symlink_to("nowhere")
    (arrays / "gone").symlink_to("nowhere")
    (tmp_path / "photos").symlink_to("nowhere")
    (tmp_path / "lost+found").mkdir(mode=0)
    (arrays / "lost+found").mkdir(mode=0)
    listed = {e.name: e for e in catalogue(tmp_path)}
    assert (listed["tfds:good"].present, listed["tfds:bad"].present) == (True, False)
    remedy = f"{arrays}/bad/meta.json is unreadable: remove the folder {arrays}/bad"
    assert listed["tfds:bad"].source.startswith(remedy)
    with pytest.raises(UserError, match=re.escape(remedy)):
        load("tfds:bad", data_dir=tmp_path)


def test_texts_are_read_by_class(tmp_path):
    splits = labelled_texts("dlfun_news", ("title", "description"), tmp_path)
    blue = [f"No. {n} It …" for n in range(40, 50) if n % 3 == 2]
    assert sorted(splits["test"]["blue"]) == blue
    assert [sorted(by_class) for by_class in splits.values()] == [["blue", "green", "red"]] * 2
    assert sum(map(len, splits["train"].values())) == 40
