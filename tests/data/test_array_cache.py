"""Decoded arrays: whole or not there, mapped, and named when they are damaged."""

import errno

import numpy as np
import pytest

from dlfun.data import array_cache as decoded
from dlfun.errors import UserError

IMAGES = np.random.default_rng(0).integers(0, 256, (7, 4, 5, 3), dtype=np.uint8)


@pytest.fixture
def written(tmp_path):
    target = tmp_path / "decoded" / "x"
    source = decoded.Source(IMAGES.shape, zip(IMAGES, range(7), strict=True))
    decoded.write(target, ["a", "b"], "CC0", {"train": source})
    return target


def test_read_maps_what_was_written(written):
    dataset = decoded.read(written, "x")
    images, labels = dataset.splits["train"].values()
    assert type(images) is type(labels) is np.memmap
    np.testing.assert_array_equal(images, IMAGES)
    np.testing.assert_array_equal(labels, np.arange(7, dtype=np.int32))
    assert dataset.classes == ("a", "b")
    assert decoded.meta(written)["licence"] == "CC0"


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), OSError(errno.ENOSPC, "full")])
def test_an_interrupted_decoding_leaves_nothing(tmp_path, stop):
    def interrupted():
        yield IMAGES[0], 0
        raise stop

    source = decoded.Source(IMAGES.shape, interrupted())
    with pytest.raises(type(stop)):
        decoded.write(tmp_path / "decoded" / "x", ["a"], "CC0", {"train": source})
    assert list((tmp_path / "decoded").iterdir()) == []


def test_another_process_that_was_first_keeps_its_arrays(written):
    source = decoded.Source(IMAGES.shape, zip(255 - IMAGES, range(7), strict=True))
    decoded.write(written, ["c"], "CC0", {"train": source})
    assert decoded.read(written, "x").classes == ("a", "b")
    assert [path.name for path in written.parent.iterdir()] == ["x"]


@pytest.mark.parametrize("file", ["train.image.npy", "train.label.npy", "meta.json"])
@pytest.mark.parametrize("damage", ["missing", "truncated", "empty"])
def test_damaged_arrays_are_named(written, file, damage):
    content = (written / file).read_bytes()
    (written / file).unlink()
    if damage != "missing":
        (written / file).write_bytes(content[:-10] if damage == "truncated" else b"")
    with pytest.raises(UserError, match=rf"{file} is .*: remove the folder .*decoded/x to"):
        decoded.read(written, "x")
