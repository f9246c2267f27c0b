"""Datasets decoded once into .npy files, which later runs map into memory.

A folder holds meta.json and, for each split, SPLIT.image.npy and SPLIT.label.npy; for images of
unequal sizes, which stay encoded, the files of `packed_images` in the place of the first. It
comes into being by one rename: it is whole, or it is not there.
"""

import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dlfun.data import packed_images as encoded
from dlfun.data.dataset import Dataset, Split
from dlfun.data.encoded_images import EncodedImages
from dlfun.errors import UserError

FOLDER = "decoded"


class Source(NamedTuple):
    """The examples of one split, on their way to the disk.

    Attributes:
        shape: (N, H, W, C), or (N,) where the images stay encoded.
        examples: N pairs (uint8 image [H, W, C], or its file's bytes; label).
    """

    shape: tuple[int, ...]
    examples: Iterable[tuple[np.ndarray | bytes, int]]


def folder(root: Path, key: str) -> Path:
    """Where the arrays of the dataset `key` lie below `root`."""
    return root / FOLDER / key


def write(target: Path, classes: Iterable[str], licence: str, splits: dict[str, Source]) -> None:
    """Write the splits to the folder `target`, whole or not at all.

    Where another process was first with the same folder, its arrays stay.

    Raises:
        OSError: the disk is full, or cannot be written to.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as beside:
        new = Path(beside) / "new"
        new.mkdir()
        for name, source in splits.items():
            _write_split(new, name, source)
        meta = {
            "classes": list(classes),
            "licence": licence,
            "splits": {name: source.shape for name, source in splits.items()},
        }
        (new / "meta.json").write_text(json.dumps(meta, indent=1) + "\n", encoding="utf-8")
        try:
            os.rename(new, target)
        except OSError:
            if not (target / "meta.json").is_file():
                raise


def _write_split(new: Path, name: str, source: Source) -> None:
    labels = np.empty(source.shape[0], np.int32)

    def images() -> Iterator[bytes]:
        for index, (image, label) in enumerate(source.examples):
            labels[index] = label
            yield image if isinstance(image, bytes) else image.tobytes()

    if len(source.shape) == 1:
        encoded.write(new, name, images())
    else:
        header = {"descr": "|u1", "fortran_order": False, "shape": source.shape}
        # A file, not a writable map: on a full disk a map kills the process, a write raises.
        with (new / f"{name}.image.npy").open("wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            for image in images():
                file.write(image)
    np.save(new / f"{name}.label.npy", labels)


def meta(target: Path) -> dict:
    """What `write` noted: classes, licence and the image shape of each split.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        found = json.loads((target / "meta.json").read_text(encoding="utf-8"))
        if {"classes", "licence", "splits"} <= found.keys():
            return found
    except (OSError, ValueError, AttributeError):
        pass
    raise _damaged(target / "meta.json", "unreadable")


def read(target: Path, name: str) -> Dataset:
    """Map the arrays in the folder `target`: read-only `np.memmap`s, and encoded `EncodedImages`.

    Raises:
        UserError: a file is missing, truncated or not what `write` left.
    """
    noted = meta(target)
    splits: dict[str, Split] = {}
    for split, shape in noted["splits"].items():
        if len(shape) == 1:
            image: Any = EncodedImages(encoded.read(target, split, shape[0], name))
        else:
            image = _map(target / f"{split}.image.npy", np.uint8, tuple(shape))
        splits[split] = {
            "image": image,
            "label": _map(target / f"{split}.label.npy", np.int32, tuple(shape[:1])),
        }
    return Dataset(name, splits, tuple(noted["classes"]))


def _map(file: Path, dtype: type, shape: tuple[int, ...]) -> np.ndarray:
    try:
        array = np.load(file, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise _damaged(file, "missing") from None
    except (OSError, ValueError, EOFError) as error:
        raise _damaged(file, "truncated or unreadable") from error
    if array.dtype != dtype or array.shape != shape:
        raise _damaged(file, f"of shape {array.shape}, not {shape} as meta.json says")
    return array


def _damaged(file: Path, how: str) -> UserError:
    return UserError(f"{file} is {how}: remove the folder {file.parent} to have it made again")
