"""Cache of decoded datasets: .npy files that later runs map into memory.

A folder holds meta.json and, for each split, SPLIT.image.npy and SPLIT.label.npy. Images of unequal
sizes stay encoded, in the files of `packed_images` instead of SPLIT.image.npy. A folder is created
by one rename, so it is complete or absent.
"""

import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

import numpy as np

from dlfun.config import check_type
from dlfun.data import packed_images
from dlfun.data.dataset import Dataset, Split
from dlfun.data.encoded_images import EncodedImages
from dlfun.errors import UserError

FOLDER = "decoded"


class Source(NamedTuple):
    """Examples of one split, to be written to disk.

    Attributes:
        shape: (N, H, W, C), or (N,) where the images stay encoded.
        examples: N pairs (uint8 image [H, W, C], or its file's bytes; label).
    """

    shape: tuple[int, ...]
    examples: Iterable[tuple[np.ndarray | bytes, int]]


class Meta(TypedDict):
    """The contents of meta.json."""

    classes: list[str]
    licence: str
    splits: dict[str, list[int]]
    """The shape of each split's images, as in `Source`."""


def folder(root: Path, key: str) -> Path:
    """Folder of the arrays of the dataset `key` below `root`."""
    return root / FOLDER / key


def write(target: Path, classes: Iterable[str], licence: str, splits: dict[str, Source]) -> None:
    """Write the splits to the folder `target`, completely or not at all.

    If another process has written the folder meanwhile, its arrays stay.

    Raises:
        OSError: the disk is full or not writable.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as scratch:
        new = Path(scratch) / "new"
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
        packed_images.write(new, name, images())
    else:
        header = {"descr": "|u1", "fortran_order": False, "shape": source.shape}
        # Not a writable memory map: on a full disk that kills the process, where a write raises.
        with (new / f"{name}.image.npy").open("wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            for image in images():
                file.write(image)
    np.save(new / f"{name}.label.npy", labels)


def meta(target: Path) -> Meta:
    """Metadata that `write` left.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        metadata = json.loads((target / "meta.json").read_bytes())
        check_type(metadata, Meta)
        if all(len(shape) in (1, 4) for shape in metadata["splits"].values()):
            return metadata
    except (OSError, ValueError):
        pass
    raise _damaged(target / "meta.json", "unreadable")


def read(target: Path, name: str) -> Dataset:
    """Map the arrays in the folder `target`, as read-only `np.memmap`s or as `EncodedImages`.

    Raises:
        UserError: a file is missing, truncated or not as `write` left it.
    """
    metadata = meta(target)
    splits: dict[str, Split] = {}
    for split, shape in metadata["splits"].items():
        if len(shape) == 1:
            image: Any = EncodedImages(packed_images.read(target, split, shape[0], name))
        else:
            image = _map(target / f"{split}.image.npy", np.uint8, tuple(shape))
        splits[split] = {
            "image": image,
            "label": _map(target / f"{split}.label.npy", np.int32, tuple(shape[:1])),
        }
    return Dataset(name, splits, tuple(metadata["classes"]))


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


def _damaged(file: Path, fault: str) -> UserError:
    return UserError(f"{file} is {fault}: remove the folder {file.parent} to have it made again")
