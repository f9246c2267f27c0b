"""Datasets as arrays: `load` one by its name, or list them with `catalogue`.

Importing this needs NumPy only; TFDS is imported where a set is prepared with it.
"""

import functools
from pathlib import Path

from dlfun.data import idx_sets, image_folder, tfds
from dlfun.data.catalogue import Entry, catalogue
from dlfun.data.dataset import Dataset, Split, hold_out_validation
from dlfun.data.folders import roots
from dlfun.errors import UserError, nearest

__all__ = ["Dataset", "Entry", "Split", "catalogue", "hold_out_validation", "load"]

_NAMES = ("mnist", "fashion_mnist")


def load(
    name: str, *, data_dir: Path | None = None, validation: float = 0.0, seed: int = 0
) -> Dataset:
    """Load a dataset.

    Args:
        name: "mnist", carried in the package; "fashion_mnist", from IDX files in the folder
            fashion_mnist of `data_dir` or $DLFUN_DATA, else through TFDS; or "tfds:NAME", any image
            classification set of TFDS, downloaded and decoded once and then mapped into memory
            (images of unequal sizes stay encoded); or "folder:PATH", images by class in
            PATH/train/CLASS and PATH/validation or PATH/test likewise.
        data_dir: looked into, and written to, before $DLFUN_DATA and the user's cache.
        validation: share in [0, 1) of "train" to hold out as "validation".
        seed: which examples are held out depends on it, and on nothing else.

    Raises:
        UserError: an unknown name; a missing, truncated or changed file; a share out of range; and
            what goes wrong in TFDS or is wrong in a folder.
    """
    if not 0 <= validation < 1:
        raise UserError(f"validation must be at least 0 and below 1, not {validation}")
    dataset = read(name, data_dir, (*roots(data_dir), Path.cwd()))
    return hold_out_validation(dataset, validation, seed)


@functools.lru_cache(maxsize=2)
def read(name: str, data_dir: Path | None, folders: tuple[Path, ...]) -> Dataset:
    """Read a dataset whole; the last two read are kept.

    A command asks for the same one for each seed and structure. `folders` are those that the answer
    depends on.
    """
    if name == "mnist":
        return idx_sets.read(idx_sets.MNIST, idx_sets.bundled_mnist(), "install dlfun again")
    if name == "fashion_mnist":
        return _fashion_mnist(data_dir)
    if name.startswith(tfds.PREFIX):
        return tfds.load(name.removeprefix(tfds.PREFIX), data_dir)
    if name.startswith(image_folder.PREFIX):
        return image_folder.load(name.removeprefix(image_folder.PREFIX), data_dir)
    known = f"expected {', '.join(_NAMES)}, tfds:NAME or folder:PATH"
    if Path(name).is_dir():
        raise UserError(f"unknown dataset '{name}' (did you mean 'folder:{name}'?): {known}")
    if _in_tfds(name):
        raise UserError(f"unknown dataset '{name}' (did you mean 'tfds:{name}'?): {known}")
    raise UserError(f"unknown dataset '{name}'{nearest(name, _NAMES)}: {known}")


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
