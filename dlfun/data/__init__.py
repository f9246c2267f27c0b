"""Datasets as arrays: `load` loads one by its name, `catalogue` lists them.

This package imports NumPy, and TFDS only to prepare a dataset.
"""

import functools
from pathlib import Path

from dlfun.data import arrays, idx_sets, image_folder, tfds
from dlfun.data.catalogue import Entry, catalogue
from dlfun.data.dataset import Dataset, Split, hold_out_validation
from dlfun.data.folders import roots
from dlfun.errors import UserError, unknown

__all__ = ["Dataset", "Entry", "Split", "catalogue", "hold_out_validation", "load"]

_NAMES = ("mnist", "fashion_mnist")


def load(
    name: str, *, data_dir: Path | None = None, validation: float = 0.0, seed: int = 0
) -> Dataset:
    """Load a dataset by its name.

    Args:
        name: "mnist", which the package includes; "fashion_mnist", from IDX files in the folder
            fashion_mnist of `data_dir` or $DLFUN_DATA, else by TFDS; "tfds:NAME", any image
            classification set of TFDS, downloaded and decoded once and then mapped into memory
            (images of unequal sizes stay encoded); "folder:PATH", images by class in
            PATH/train/CLASS, and PATH/validation or PATH/test with the same classes; or
            "arrays:FILE", train_image, train_label, … in an .npz file.
        data_dir: folder to read from, and to write to, before $DLFUN_DATA and the user's cache.
        validation: share in [0, 1) of "train" to hold out as "validation".
        seed: seed of the choice of held-out examples, which depends on nothing else.

    Raises:
        UserError: an unknown name; a missing, truncated or changed file; a share out of range;
            errors of TFDS; or a malformed folder or file of arrays.
    """
    if not 0 <= validation < 1:
        raise UserError(f"validation must be at least 0 and below 1, not {validation}")
    dataset = read(name, data_dir, (*roots(data_dir), Path.cwd()))
    return hold_out_validation(dataset, validation, seed)


@functools.lru_cache(maxsize=2)
def read(name: str, data_dir: Path | None, folders: tuple[Path, ...]) -> Dataset:
    """Read a whole dataset; the last two are cached.

    A command reads the same dataset for each seed and structure. `folders` are those on which the
    result depends, for the cache.
    """
    if name == "mnist":
        return idx_sets.read(idx_sets.MNIST, idx_sets.bundled_mnist(), "install dlfun again")
    if name == "fashion_mnist":
        return _fashion_mnist(data_dir)
    if name.startswith(tfds.PREFIX):
        return tfds.load(name.removeprefix(tfds.PREFIX), data_dir)
    if name.startswith(image_folder.PREFIX):
        return image_folder.load(name.removeprefix(image_folder.PREFIX), data_dir)
    if name.startswith(arrays.PREFIX):
        return arrays.load(name.removeprefix(arrays.PREFIX), data_dir)
    meant = f"folder:{name}" if Path(name).is_dir() else None
    if meant is None and _in_tfds(name):
        meant = f"tfds:{name}"
    forms = "tfds:NAME", "folder:PATH", "arrays:FILE.npz"
    raise unknown("dataset", name, _NAMES, *forms, meant=meant)


def _fashion_mnist(data_dir: Path | None) -> Dataset:
    for folder in (root / "fashion_mnist" for root in roots(data_dir)):
        if folder.is_dir():
            remedy = f"put the original file there, or remove {folder} to have TFDS download it"
            return idx_sets.read(idx_sets.FASHION_MNIST, folder, remedy)
    try:
        return tfds.load("fashion_mnist", data_dir)._replace(name="fashion_mnist")
    except UserError as error:
        raise UserError(
            f"{error}; or put its four IDX files into {roots(data_dir)[0] / 'fashion_mnist'}"
        ) from error


def _in_tfds(name: str) -> bool:
    from dlfun.data.tfds_errors import names

    return name in names()
