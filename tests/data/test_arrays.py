"""Arrays of one's own are a dataset; what is wrong with them is named in one line."""

import numpy as np
import pytest

from dlfun.data import arrays, catalogue, load
from dlfun.errors import UserError

IMAGE = np.arange(6 * 4 * 5, dtype=np.uint8).reshape(6, 4, 5)
LABEL = np.array([0, 1, 2, 0, 1, 2])
GOOD = {"train_image": IMAGE, "train_label": LABEL}
HELD_OUT = {"test_image": IMAGE[:2], "test_label": LABEL[:2]}


def read(folder, **columns):
    np.savez(folder / "mine.npz", **columns)
    return arrays.load(str(folder / "mine.npz"), None)


def test_arrays_become_a_dataset(tmp_path):
    validation = {"validation_image": IMAGE[2:], "validation_label": LABEL[2:].astype(np.uint8)}
    names = {"classes": np.array(["a", "b", "c"])}
    dataset = read(tmp_path, **GOOD, **HELD_OUT, **validation, **names, other=np.zeros(3))
    assert dataset.classes == ("a", "b", "c")
    assert {split: dataset.size(split) for split in dataset.splits} == {
        "train": 6,
        "validation": 4,
        "test": 2,
    }
    train = dataset.splits["train"]
    np.testing.assert_array_equal(train["image"], IMAGE[..., None])
    np.testing.assert_array_equal(train["label"], LABEL)
    assert {split["label"].dtype for split in dataset.splits.values()} == {np.dtype(np.int32)}


def test_colours_and_no_test_split(tmp_path, monkeypatch):
    """Found in the folder of data, too."""
    colour = np.stack([IMAGE] * 3, axis=-1).repeat(5, axis=0)
    np.savez(tmp_path / "mine.npz", train_image=colour, train_label=LABEL.repeat(5))
    dataset = load("arrays:mine.npz", data_dir=tmp_path)
    assert dataset.classes == ("0", "1", "2")
    assert {split: dataset.size(split) for split in dataset.splits} == {"train": 27, "test": 3}
    assert dataset.splits["train"]["image"].shape == (27, 4, 5, 3)
    assert "arrays:FILE.npz" in [entry.name for entry in catalogue(tmp_path)]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"train_image": None, "train_images": IMAGE}, "no array 'train_image' .did you mean"),
        ({"train_label": None}, "no array 'train_label'"),
        ({"test_label": None}, "no array 'test_label'"),
        ({"train_image": IMAGE / 255}, r"train_image is float64 \[6, 4, 5\], expected uint8"),
        ({"train_image": IMAGE[0]}, r"train_image is uint8 \[4, 5\], expected uint8 \[n, h"),
        ({"test_image": IMAGE[:2, :3]}, r"test_image is of \(3, 5, 1\), train_image of \(4, 5, 1"),
        ({"train_label": LABEL / 2}, "train_label is float64 .*expected whole numbers"),
        ({"train_label": LABEL - 1}, "train_label has -1, expected numbers from 0"),
        ({"train_label": LABEL + 2**40}, "train_label has 1099511627778, expected numbers from 0"),
        ({"train_label": LABEL[:5]}, "train_image and train_label differ in length: 6 and 5"),
        ({"test_image": IMAGE[:0], "test_label": LABEL[:0]}, "'test' must have .*image has 0"),
        ({"classes": np.array(["a", "b"])}, "classes must be the names of 3 labels"),
        ({"classes": np.array(["a", 1, None])}, "cannot be read as arrays: .*allow_pickle=False"),
    ],
)
def test_wrong_arrays_are_named(tmp_path, changed, words):
    columns = {k: v for k, v in (GOOD | HELD_OUT | changed).items() if v is not None}
    with pytest.raises(UserError, match=rf"mine\.npz.*{words}") as caught:
        read(tmp_path, **columns)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("images", "labels"), [(6, 5), (5, 6)])
def test_lengths_are_compared_where_there_is_no_test_split(tmp_path, images, labels):
    columns = GOOD | {"train_image": IMAGE[:images], "train_label": LABEL[:labels]}
    with pytest.raises(UserError, match=f"differ in length: {images} and {labels}"):
        read(tmp_path, **columns)


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\x03\x04" + bytes(99), b"text", "npy", "cut"])
def test_files_of_other_kinds_are_named(tmp_path, content):
    path = tmp_path / "mine.npz"
    if content == "npy":
        with path.open("wb") as file:
            np.save(file, IMAGE)
    elif content == "cut":
        np.savez_compressed(path, **GOOD)
        whole = bytearray(path.read_bytes())
        whole[60:80] = bytes(20)
        path.write_bytes(whole)
    else:
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"mine\.npz cannot be read as arrays: ."):
        arrays.load(str(path), None)
    with pytest.raises(UserError, match="'arrays:other.npz': no such file"):
        load("arrays:other.npz", data_dir=tmp_path)
