"""Image folders are read with their links, whatever the form of their names."""

import unicodedata

import numpy as np
import pytest
from PIL import Image

from dlfun.data import image_folder


def picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8)).save(path, "JPEG")


@pytest.fixture
def root(tmp_path):
    for split in ("train", "test"):
        for name in ("cat", "dog"):
            picture(tmp_path / "photos" / split / name / "1.jpg")
    return tmp_path / "photos"


def count(root, split="train"):
    return np.bincount(image_folder.load(str(root), None).splits[split]["label"]).tolist()


def test_links_and_every_suffix_of_a_jpeg_are_read(root, tmp_path):
    picture(root / "train/cat/2.jfif")
    picture(root / "train/cat/3.JPE")
    picture(tmp_path / "elsewhere/4.jpg")
    (root / "train/cat/more").symlink_to(tmp_path / "elsewhere")
    (root / "train/cat/again").symlink_to(root / "train/cat")
    (root / "train/cat/nothing.jpg").symlink_to(root / "gone.jpg")
    assert count(root) == [4, 1]
    assert image_folder.folders(tmp_path)["photos"][0] == {"train": 5, "test": 2}


def test_names_in_two_unicode_forms_are_one_class(root):
    composed, decomposed = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    picture(root / "train" / composed / "1.jpg")
    picture(root / "train" / decomposed / "2.jpg")
    picture(root / "test" / decomposed / "1.jpg")
    assert image_folder.load(str(root), None).classes == (composed, "cat", "dog")
    assert count(root) == [2, 1, 1]
    assert count(root, "test") == [1, 1, 1]


def test_files_that_are_no_images_are_counted_once(root, caplog):
    for name in ("1.HEIC", "2.heic", "notes", ".hidden.txt"):
        (root / "train/cat" / name).write_text("x")
    (root / "test/dog/list.txt").write_text("x")
    assert count(root) == [1, 1]
    counts = "2 of .heic, 1 of no suffix, 1 of .txt"
    left_out = f"4 files without the suffix of an image left out: {counts}"
    assert caplog.messages == [f"{root}: {left_out}"]
