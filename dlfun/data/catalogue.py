"""Catalogue of the datasets and their presence on this machine, for the command `data`."""

import os
from pathlib import Path
from typing import NamedTuple

from dlfun.data import array_cache, idx_sets, image_folder, tfds
from dlfun.data.folders import roots
from dlfun.errors import UserError


class Entry(NamedTuple):
    """Description of a dataset.

    Attributes:
        name: name for `load`.
        present: True if it loads without a network; only file sizes are checked here.
        source: origin of the data.
        location: its folder; if it is absent, the folder from which it would be read.
        size_bytes: size on disk, 0 if it is absent.
        examples: number of examples in each split; empty if unknown.
        licence: licence that its owners give.
    """

    name: str
    present: bool
    source: str
    location: str
    size_bytes: int
    examples: dict[str, int]
    licence: str


def catalogue(data_dir: Path | None = None) -> list[Entry]:
    """List the datasets: present ones first, then an entry for all of TFDS and one for folders.

    The folders searched are `data_dir`, $DLFUN_DATA and the user's cache, in this order.
    """
    folders = roots(data_dir)
    cached = _decoded(folders)
    with_fashion = [folder / "fashion_mnist" for folder in folders]
    # Unlike a Path's, this is False where a folder above may not be entered.
    fashion = next((folder for folder in with_fashion if os.path.isdir(folder)), None)
    entries = [_idx(idx_sets.MNIST, Path(str(idx_sets.bundled_mnist())), "carried in the package")]
    if fashion or "tfds:fashion_mnist" not in cached:
        location = fashion or with_fashion[0]
        entries.append(_idx(idx_sets.FASHION_MNIST, location, "IDX files, else tfds:fashion_mnist"))
    else:
        entries.append(cached.pop("tfds:fashion_mnist")._replace(name="fashion_mnist"))
    any_tfds = Entry(
        "tfds:NAME",
        False,
        "any image classification set of https://www.tensorflow.org/datasets/catalog",
        str(folders[0] / array_cache.FOLDER),
        0,
        {},
        "as TFDS names it",
    )
    image_folders = _image_folders(folders)
    any_folder = Entry(
        "folder:PATH",
        False,
        "any folder of images, as PATH/train/CLASS/*.jpg and PATH/test likewise",
        str(folders[0]),
        0,
        {},
        "",
    )
    source = "train_image, train_label and test_image, test_label in an .npz file of NumPy"
    any_arrays = Entry("arrays:FILE.npz", False, source, str(folders[0]), 0, {}, "")
    any_other = [any_tfds, any_folder, any_arrays]
    return [*entries, *cached.values(), *image_folders.values(), *any_other]


def _idx(source: idx_sets.IdxSet, folder: Path, origin: str) -> Entry:
    present = all(
        os.path.isfile(folder / file) and os.path.getsize(folder / file) == expected.size
        for file, expected in source.files.items()
    )
    size = sum(expected.size for expected in source.files.values()) if present else 0
    return Entry(
        source.name,
        present,
        f"{source.origin}; {origin}",
        str(folder),
        size,
        idx_sets.EXAMPLES,
        source.licence,
    )


def _image_folders(folders: list[Path]) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    for root in folders:
        for name, (sizes, size_bytes) in image_folder.folders(root).items():
            location = str(root / name)
            entry = Entry(f"folder:{name}", True, "image folder", location, size_bytes, sizes, "")
            entries.setdefault(name, entry)
    return entries


def _decoded(folders: list[Path]) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    for root in folders:
        for folder in sorted((root / array_cache.FOLDER).glob("[!.]*")):
            if os.path.isfile(folder / "meta.json"):
                name = tfds.PREFIX + folder.name.replace("--", "/", 1).replace("@", ":")
                entries.setdefault(name, _arrays(name, folder))
    return entries


def _arrays(name: str, folder: Path) -> Entry:
    try:
        meta = array_cache.meta(folder)
    except UserError as error:
        return Entry(name, False, str(error), str(folder), 0, {}, "")
    size = sum(os.path.getsize(part) for part in folder.iterdir() if os.path.isfile(part))
    examples = {split: shape[0] for split, shape in meta["splits"].items()}
    source = "TFDS, prepared for reading"
    return Entry(name, True, source, str(folder), size, examples, meta["licence"])
