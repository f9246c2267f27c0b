"""Catalogue of the datasets and their presence on this machine, for the command `data`."""

from pathlib import Path
from typing import NamedTuple

from dlfun.data import array_cache, idx_sets, image_folder, tfds
from dlfun.data.folders import roots


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
    fashion = next((folder for folder in with_fashion if folder.is_dir()), None)
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
    return [*entries, *cached.values(), *image_folders.values(), any_tfds, any_folder]


def _idx(source: idx_sets.IdxSet, folder: Path, origin: str) -> Entry:
    present = all(
        (folder / file).is_file() and (folder / file).stat().st_size == expected.size
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
        for file in sorted((root / array_cache.FOLDER).glob("[!.]*/meta.json")):
            name = tfds.PREFIX + file.parent.name.replace("--", "/", 1).replace("@", ":")
            meta = array_cache.meta(file.parent)
            entries.setdefault(
                name,
                Entry(
                    name,
                    True,
                    "TFDS, prepared for reading",
                    str(file.parent),
                    sum(part.stat().st_size for part in file.parent.iterdir()),
                    {split: shape[0] for split, shape in meta["splits"].items()},
                    meta["licence"],
                ),
            )
    return entries
