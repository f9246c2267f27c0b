"""Folders of images by class: ROOT/train/CLASS/*.jpg, ROOT/validation/… and ROOT/test/…."""

import os
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dlfun.data.dataset import TEST_SHARE, Dataset, Split, partition, take
from dlfun.data.encoded_images import EncodedImages, sequence
from dlfun.data.folders import roots
from dlfun.errors import UserError, nearest

PREFIX = "folder:"
SUFFIXES = {
    ".jpg",
    ".jpeg",
    ".jpe",
    ".jfif",
    ".png",
    ".webp",
    ".bmp",
    ".gif",
    ".tif",
    ".tiff",
    ".ppm",
    ".pgm",
    ".pbm",
}
"""Suffixes of files in one of `image_decoding.FORMATS`."""
NAMES = {"train": ("train",), "validation": ("validation", "val", "valid"), "test": ("test",)}
"""Names of the folder of a split."""


def load(name: str, data_dir: Path | None) -> Dataset:
    """Dataset of the images below the folder `name`, or that folder of `data_dir`, $DLFUN_DATA, ….

    Classes are the folders below train, in the order of their names. Hidden files and files without
    the suffix of an image are ignored. Where there is no "test", "validation" takes its place, or
    else a tenth of "train", as with TFDS. Only names are read here; images are decoded when needed.

    Raises:
        UserError: no such folder; no folder train in it; fewer than two classes; a class without
            images; classes that differ between splits.
    """
    root = _find(name, data_dir)
    split_folders = {split: folder for split in NAMES if (folder := _split(root, split))}
    if "train" not in split_folders:
        guess = nearest("train", [path.name for path in root.iterdir()])
        raise UserError(f"{root} has no folder 'train'{guess}: expected {root}/train/CLASS/*.jpg")
    classes = _classes(split_folders["train"])
    if "test" not in split_folders and "validation" in split_folders:
        split_folders["test"] = split_folders.pop("validation")
    splits = {split: _read(folder, classes) for split, folder in split_folders.items()}
    if "test" not in splits:
        train = splits["train"]
        parts = partition(len(train["label"]), TEST_SHARE, seed=0)
        splits["train"], splits["test"] = (take(train, part) for part in parts)
    return Dataset(PREFIX + name, splits, classes)


def folders(root: Path) -> dict[str, tuple[dict[str, int], int]]:
    """Image folders directly below `root`: numbers of images by split and total bytes, by name."""
    result = {}
    for folder in sorted(root.glob("[!.]*")):
        splits = {split: path for split in NAMES if (path := _split(folder, split))}
        if "train" in splits:
            images = {
                s: [i for paths in _below(path).values() for i in _images(paths)]
                for s, path in splits.items()
            }
            if images["train"]:
                size = sum(os.path.getsize(image) for split in images.values() for image in split)
                result[folder.name] = {s: len(paths) for s, paths in images.items()}, size
    return result


def _find(name: str, data_dir: Path | None) -> Path:
    tried = [Path(name).expanduser(), *(root / name for root in roots(data_dir))]
    if not name or not (present := [path for path in tried if path.is_dir()]):
        raise UserError(f"'{PREFIX}{name}': no such folder; expected FOLDER/train/CLASS/*.jpg")
    return present[0]


def _split(root: Path, split: str) -> Path | None:
    # Unlike a Path's, this is False where the folder may not be entered.
    return next((root / name for name in NAMES[split] if os.path.isdir(root / name)), None)


def _below(folder: Path) -> dict[str, list[Path]]:
    """The folders of each class; names that differ in their Unicode form alone are one class."""
    classes: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("[!.]*")):
        if os.path.isdir(path):
            classes.setdefault(unicodedata.normalize("NFC", path.name), []).append(path)
    return dict(sorted(classes.items()))


def _classes(train: Path) -> tuple[str, ...]:
    classes = tuple(_below(train))
    if len(classes) < 2:
        raise UserError(
            f"{train} has {len(classes) or 'no'} class{'' if classes else 'es'}: "
            "expected a folder of images for each of at least two"
        )
    return classes


def _read(folder: Path, classes: tuple[str, ...]) -> Split:
    below = _below(folder)
    expected, actual = Counter(classes), Counter(below.keys())
    if expected != actual:
        missing, more = sorted(expected - actual), sorted(actual - expected)
        faults = [f"lacks {_some(missing)}"] if missing else []
        faults += [f"has {_some(more)}{nearest(more[0], missing or classes)}"] if more else []
        raise UserError(f"{folder} has other classes than train: it {' and '.join(faults)}")
    files, labels = [], []
    for label, name in enumerate(classes):
        images = _images(below[name])
        if not images:
            kinds = ", ".join(sorted(SUFFIXES))
            raise UserError(f"class '{name}' is empty: no image in {folder / name} ({kinds})")
        files += images
        labels += [label] * len(images)
    return {"image": EncodedImages(sequence(files)), "label": np.array(labels, np.int32)}


def _some(names: list[str]) -> str:
    return ", ".join(f"'{name}'" for name in names[:3]) + (", …" if len(names) > 3 else "")


def _images(folders: Sequence[Path]) -> list[str]:
    """Images in folders and in those below them, in the order of their paths.

    Links to folders are followed, once each; links to nothing are left out.
    """
    images, seen = [], set()
    for folder in folders:
        for parent, below, files in os.walk(folder, followlinks=True):
            if (real := os.path.realpath(parent)) in seen:
                below.clear()
                continue
            seen.add(real)
            below[:] = sorted(name for name in below if not name.startswith("."))
            paths = (os.path.join(parent, name) for name in files if not name.startswith("."))
            images += [path for path in paths if _suffix(path) in SUFFIXES and os.path.isfile(path)]
    return sorted(images)


def _suffix(path: str) -> str:
    return os.path.splitext(path)[1].lower()
