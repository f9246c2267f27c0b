"""What `launch.py data` shows: each dataset, and whether it is here."""

from pathlib import Path
from typing import NamedTuple

from dlfun.data import array_cache as decoded
from dlfun.data import idx_sets, image_folder, tfds
from dlfun.data.folders import roots


class Entry(NamedTuple):
    """One dataset by its name.

    Attributes:
        name: what `load` takes.
        present: whether it loads without a network; sizes are checked, contents on loading.
        source: where it comes from.
        location: the folder it lies in; where it is not present, where it would be read from.
        size_bytes: size on disk, 0 where it is not present.
        examples: number of examples in each split; empty where not known yet.
        licence: the terms its owners give.
    """

    name: str
    present: bool
    source: str
    location: str
    size_bytes: int
    examples: dict[str, int]
    licence: str


def catalogue(data_dir: Path | None = None) -> list[Entry]:
    """The datasets by name: those here first, then an entry for the rest of TFDS and of folders.

    `data_dir` is looked into first, then $DLFUN_DATA and the user's cache.
    """
    folders = roots(data_dir)
    cached = _decoded(folders)
    with_fashion = [folder / "fashion_mnist" for folder in folders]
    fashion = next((folder for folder in with_fashion if folder.is_dir()), None)
    entries = [_idx(idx_sets.MNIST, Path(str(idx_sets.bundled_mnist())), "carried in the package")]
    if fashion or "tfds:fashion_mnist" not in cached:
        where = fashion or with_fashion[0]
        entries.append(_idx(idx_sets.FASHION_MNIST, where, "IDX files, else tfds:fashion_mnist"))
    else:
        entries.append(cached.pop("tfds:fashion_mnist")._replace(name="fashion_mnist"))
    rest = Entry(
        "tfds:NAME",
        False,
        "any image classification set of https://www.tensorflow.org/datasets/catalog",
        str(folders[0] / decoded.FOLDER),
        0,
        {},
        "as TFDS names it",
    )
    image_folders = _image_folders(folders)
    anywhere = Entry(
        "folder:PATH",
        False,
        "any folder of images, as PATH/train/CLASS/*.jpg and PATH/test likewise",
        str(folders[0]),
        0,
        {},
        "",
    )
    return [*entries, *cached.values(), *image_folders.values(), rest, anywhere]


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
    found: dict[str, Entry] = {}
    for root in folders:
        for name, (sizes, size_bytes) in image_folder.folders(root).items():
            where = str(root / name)
            entry = Entry(f"folder:{name}", True, "image folder", where, size_bytes, sizes, "")
            found.setdefault(name, entry)
    return found


def _decoded(folders: list[Path]) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for root in folders:
        for file in sorted((root / decoded.FOLDER).glob("[!.]*/meta.json")):
            name = tfds.PREFIX + file.parent.name.replace("--", "/", 1).replace("@", ":")
            meta = decoded.meta(file.parent)
            found.setdefault(
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
    return found
