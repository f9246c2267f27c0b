"""Images and labels of one's own in a file that `numpy.savez` writes."""

import os
import zipfile
import zlib
from pathlib import Path

import numpy as np

from dlfun.data.dataset import Dataset, Split, with_test
from dlfun.data.folders import roots
from dlfun.errors import UserError, nearest

PREFIX = "arrays:"
SPLITS = ("train", "validation", "test")
CLASSES = "classes"
MOST_CLASSES = 2**16
"""A network has an output for each number up to the largest label."""
EXPECTED = "expected train_image and train_label, and likewise test_… and validation_…"


def load(name: str, data_dir: Path | None) -> Dataset:
    """Dataset of the arrays in the .npz file `name`, or in that file of `data_dir`, $DLFUN_DATA, ….

    SPLIT_image is uint8 [n, height, width] or [n, height, width, channels], SPLIT_label whole
    numbers from 0, [n], for each SPLIT of train, validation and test; `with_test` says what is done
    without the last. "classes" may hold the names of the labels. Nothing is unpickled.

    Raises:
        UserError: no such file; one that is damaged; an array that is missing or not as above.
    """
    tried = [Path(name).expanduser(), *(root / name for root in roots(data_dir))]
    path = next((path for path in tried if name and os.path.isfile(path)), None)
    if path is None:
        raise UserError(f"'{PREFIX}{name}': no such file; expected FILE.npz")
    arrays = _read(path)
    pairs = {split: (f"{split}_image", f"{split}_label") for split in SPLITS}
    splits = {
        split: _split(path, split, arrays)
        for split, pair in pairs.items()
        if split == "train" or not arrays.keys().isdisjoint(pair)
    }
    first = splits["train"]["image"].shape[1:]
    for split, columns in splits.items():
        if (shape := columns["image"].shape[1:]) != first:
            raise UserError(f"{path}: {split}_image is of {shape}, train_image of {first}")
    most = max(columns["label"].max(initial=0) for columns in splits.values())
    classes = _classes(path, arrays, int(most) + 1)
    dataset = Dataset(PREFIX + name, with_test(splits), classes)
    dataset.check()
    return dataset


def _read(path: Path) -> dict[str, np.ndarray]:
    try:
        if not zipfile.is_zipfile(path):
            raise ValueError("it is no .npz file, which numpy.savez writes")
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{path} cannot be read as arrays: {error}") from None


def _split(path: Path, split: str, arrays: dict[str, np.ndarray]) -> Split:
    for name in (f"{split}_image", f"{split}_label"):
        if name not in arrays:
            raise UserError(f"{path} has no array '{name}'{nearest(name, arrays)}: {EXPECTED}")
    image, label = arrays[f"{split}_image"], arrays[f"{split}_label"]
    image = image[..., None] if image.ndim == 3 else image
    if image.dtype != np.uint8 or image.ndim != 4 or image.shape[-1] not in (1, 2, 3, 4):
        shape = "[n, height, width] or [n, height, width, 1 to 4 channels]"
        actual = f"{image.dtype} {[*arrays[f'{split}_image'].shape]}"
        raise UserError(f"{path}: {split}_image is {actual}, expected uint8 {shape}")
    if label.dtype.kind not in "iu" or label.ndim != 1:
        actual = f"{label.dtype} {[*label.shape]}"
        raise UserError(f"{path}: {split}_label is {actual}, expected whole numbers [n]")
    if len(image) != len(label):
        counts = f"{len(image):,} and {len(label):,}"
        raise UserError(f"{path}: {split}_image and {split}_label differ in length: {counts}")
    if label.size and not 0 <= label.min() <= label.max() < MOST_CLASSES:
        wrong = label.min() if label.min() < 0 else label.max()
        bounds = f"expected numbers from 0 to {MOST_CLASSES - 1}"
        raise UserError(f"{path}: {split}_label has {wrong}, {bounds}")
    return {"image": image, "label": label.astype(np.int32)}


def _classes(path: Path, arrays: dict[str, np.ndarray], count: int) -> tuple[str, ...]:
    names = arrays.get(CLASSES)
    if names is None:
        return tuple(map(str, range(count)))
    if names.dtype.kind != "U" or names.ndim != 1 or len(names) < count:
        raise UserError(f"{path}: {CLASSES} must be the names of {count} labels, as text")
    return tuple(map(str, names))
