"""Folders of images by class: ROOT/train/CLASS/*.jpg, and validation or test likewise."""

import os
from collections import Counter
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
"""Of files that `image_decoding.FORMATS` can be in."""
NAMES = {"train": ("train",), "validation": ("validation", "val", "valid"), "test": ("test",)}
"""What the folder of a split may be called."""


def load(name: str, data_dir: Path | None) -> Dataset:
    """The images below the folder `name`, or below that folder of `data_dir`, $DLFUN_DATA, ….

    Classes are the folders below train, in the order of their names; files that do not end like an
    image, and hidden ones, are left alone. "validation", where there is no "test", takes its place;
    where there is neither, a tenth of "train" does, as with TFDS. Only names are read here: images
    are decoded when they are needed.

    Raises:
        UserError: no such folder; no folder train in it; no classes; a class without an image;
            classes that differ between splits.
    """
    root = _find(name, data_dir)
    found = {split: folder for split in NAMES if (folder := _split(root, split))}
    if "train" not in found:
        guess = nearest("train", [path.name for path in root.iterdir()])
        raise UserError(f"{root} has no folder 'train'{guess}: expected {root}/train/CLASS/*.jpg")
    classes = _classes(found["train"])
    if "test" not in found and "validation" in found:
        found["test"] = found.pop("validation")
    splits = {split: _read(folder, classes) for split, folder in found.items()}
    if "test" not in splits:
        train = splits["train"]
        parts = partition(len(train["label"]), TEST_SHARE, seed=0)
        splits["train"], splits["test"] = (take(train, part) for part in parts)
    return Dataset(PREFIX + name, splits, classes)


def folders(root: Path) -> dict[str, tuple[dict[str, int], int]]:
    """The image folders directly below `root` by name: images of each split, and bytes in all."""
    found = {}
    for folder in sorted(root.glob("[!.]*")):
        splits = {split: path for split in NAMES if (path := _split(folder, split))}
        if "train" in splits:
            images = {
                s: [i for c in _below(path) for i in _images(c)] for s, path in splits.items()
            }
            if images["train"]:
                size = sum(os.path.getsize(image) for split in images.values() for image in split)
                found[folder.name] = {s: len(these) for s, these in images.items()}, size
    return found


def _find(name: str, data_dir: Path | None) -> Path:
    tried = [Path(name).expanduser(), *(root / name for root in roots(data_dir))]
    if not name or not (there := [path for path in tried if path.is_dir()]):
        raise UserError(f"'{PREFIX}{name}': no such folder; expected FOLDER/train/CLASS/*.jpg")
    return there[0]


def _split(root: Path, split: str) -> Path | None:
    return next((root / name for name in NAMES[split] if (root / name).is_dir()), None)


def _below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("[!.]*") if path.is_dir())


def _classes(train: Path) -> tuple[str, ...]:
    classes = tuple(path.name for path in _below(train))
    if len(classes) < 2:
        raise UserError(
            f"{train} has {len(classes) or 'no'} class{'' if classes else 'es'}: "
            "expected a folder of images for each of at least two"
        )
    return classes


def _read(folder: Path, classes: tuple[str, ...]) -> Split:
    here = [path.name for path in _below(folder)]
    if (differ := Counter(classes)) != Counter(here):
        missing, more = sorted(differ - Counter(here)), sorted(Counter(here) - differ)
        told = [f"lacks {_some(missing)}"] if missing else []
        told += [f"has {_some(more)}{nearest(more[0], missing or classes)}"] if more else []
        raise UserError(f"{folder} has other classes than train: it {' and '.join(told)}")
    files, labels = [], []
    for label, name in enumerate(classes):
        images = _images(folder / name)
        if not images:
            kinds = ", ".join(sorted(SUFFIXES))
            raise UserError(f"class '{name}' is empty: no image in {folder / name} ({kinds})")
        files += images
        labels += [label] * len(images)
    return {"image": EncodedImages(sequence(files)), "label": np.array(labels, np.int32)}


def _some(names: list[str]) -> str:
    return ", ".join(f"'{name}'" for name in names[:3]) + (", …" if len(names) > 3 else "")


def _images(folder: Path) -> list[str]:
    """Images in a folder and those below it, in the order of their paths."""
    found = []
    for where, below, files in os.walk(folder):
        below[:] = sorted(name for name in below if not name.startswith("."))
        found += [
            os.path.join(where, name)
            for name in files
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES
        ]
    return sorted(found)
