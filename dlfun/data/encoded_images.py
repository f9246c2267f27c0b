"""A column of encoded images of unequal sizes: decoded and cropped when they are read.

A random crop is a function of (seed, epoch, index) alone, so a resumed training draws the very
crops that the unbroken one would. Threads decode, for Pillow's decoders hold no lock.
"""

import functools
import logging
import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from dlfun.data.dataset import Dataset, take
from dlfun.errors import UserError

SIZE = 224
_log = logging.getLogger(__name__)


class EncodedImages:
    """Looks like uint8 [N, size, size, 3]; what is indexed is decoded, by central crops.

    Attributes:
        files: a path, a stream of bytes or an array of pixels by its index.
        size: height and width of the crops.
        skip: whether an image whose pixels turn out to be damaged is left out, not an error.
        chosen: which of `files` these are.
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(
        self,
        files: Any,
        size: int = SIZE,
        skip: bool = False,
        chosen: Int[np.ndarray, " n"] | None = None,
    ) -> None:
        # Of a list that the process shares, which threads must not change as they read.
        warnings.filterwarnings("ignore", module=r"PIL\.")
        self.files, self.size, self.skip = files, size, skip
        self.chosen = np.arange(len(files)) if chosen is None else chosen

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """As if all were decoded."""
        return len(self), self.size, self.size, 3

    @property
    def nbytes(self) -> int:
        """As if all were decoded."""
        return int(np.prod(self.shape, dtype=np.int64))

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, index: Any) -> UInt8[np.ndarray, "*index height width 3"]:
        wanted = np.arange(len(self))[index]
        return self.read(np.atleast_1d(wanted))[0].reshape(*np.shape(wanted), *self.shape[1:])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:].astype(dtype or self.dtype, copy=False)

    def take(self, indices: Int[np.ndarray, " n"], axis: int = 0) -> "EncodedImages":
        """Some of them, still encoded."""
        return EncodedImages(self.files, self.size, self.skip, self.chosen[indices])

    def read(
        self, indices: Int[np.ndarray, "*batch"], draw: tuple[int, int] | None = None
    ) -> tuple[UInt8[np.ndarray, "*batch height width 3"], Bool[np.ndarray, "*batch"]]:
        """Crops, and which are images: -1 stands for none and is black, as are damaged ones.

        With `draw`, (seed, epoch), the crops of a training epoch: random resized crops, half of
        them mirrored; without, central ones.

        Raises:
            UserError: an image that cannot be decoded, where these are not to be skipped.
        """
        from dlfun.data import image_decoding as crops

        found = np.zeros((indices.size, *self.shape[1:]), np.uint8)

        def one(place: int, index: int) -> bool:
            choose: Callable = crops.central_crop
            if draw is not None:
                numbers = uniforms(*draw, index, crops.DRAWS)
                choose = functools.partial(crops.random_crop, draws=numbers)
            try:
                found[place] = crops.pixels(self.files[int(self.chosen[index])], self.size, choose)
            except UserError as error:
                if not self.skip:
                    raise UserError(f"{error}; --skip-unreadable goes on without it") from None
                _tell(f"{error}: left out")
                return False
            return True

        flat = indices.reshape(-1)
        there = flat >= 0
        there[there] = list(_pool().map(one, np.flatnonzero(there).tolist(), flat[there].tolist()))
        return found.reshape(*indices.shape, *self.shape[1:]), there.reshape(indices.shape)


def uniforms(seed: int, epoch: int, index: int, count: int) -> Float[np.ndarray, " count"]:
    """Numbers in [0, 1) that depend on (seed, epoch, index) alone, by Philox's raw draws.

    NumPy promises those for all its versions. The 1 keeps clear of the draws of `partition`.
    """
    raw = np.random.Philox(key=seed, counter=[0, index, epoch, 1]).random_raw(count)
    return (raw >> np.uint64(11)) * 2.0**-53


@functools.cache  # Once, and not in every epoch.
def _tell(text: str) -> None:
    _log.warning(text)


@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), "decode")


def is_encoded(dataset: Dataset) -> bool:
    """Whether a dataset has a column that is decoded as it is read, so that it must be streamed."""
    columns = (column for split in dataset.splits.values() for column in split.values())
    return any(isinstance(column, EncodedImages) for column in columns)


def resized(dataset: Dataset, size: int, skip_unreadable: bool = False) -> Dataset:
    """The dataset with its images cropped to size×size×3 when they are read.

    Images that lie decoded in arrays are cropped and resized likewise. The header of every file is
    read now; unreadable ones are left out, named and counted, if `skip_unreadable` says so.

    Raises:
        UserError: no images; unreadable ones that are not to be skipped, named and counted; a class
            of which nothing is left.
    """
    splits = {}
    for name, split in dataset.splits.items():
        if (images := split.get("image")) is None:
            raise UserError(f"{dataset.name} has no images")
        old = images if isinstance(images, EncodedImages) else EncodedImages(images)
        kept = _readable(dataset, name, old, skip_unreadable)
        for label in np.setdiff1d(split["label"], split["label"][kept]):
            whose = f"class '{dataset.classes[label]}' in {name}"
            raise UserError(f"{dataset.name}: no image of {whose} can be read")
        image = EncodedImages(old.files, size, skip_unreadable, old.chosen[kept])
        splits[name] = take(split, kept) | {"image": image}
    return dataset._replace(splits=splits)


def _readable(dataset: Dataset, split: str, images: EncodedImages, skip: bool) -> np.ndarray:
    """Indices of the images that can be opened. Raises UserError where others must not be."""
    from dlfun.data import image_decoding as crops

    def wrong(index: int) -> str | None:
        file = images.files[index]
        try:
            with crops.naming_file(file), crops.opened(file):
                return None
        except UserError as error:
            return str(error).partition(";")[0]

    if isinstance(images.files, np.ndarray) and images.files.dtype != object:
        return np.arange(len(images))
    told = list(_pool().map(wrong, images.chosen.tolist()))
    if bad := [reason for reason in told if reason]:
        some = "; ".join(bad[:3]) + ("; …" if len(bad) > 3 else "")
        count = f"{dataset.name}: {len(bad):,} of {len(told):,} images in {split} cannot be read"
        if not skip:
            raise UserError(
                f"{count}: {some}: mend or remove them, or leave them out by --skip-unreadable"
            )
        _log.warning("%s and are left out: %s", count, some)
    return np.flatnonzero([reason is None for reason in told])


def sequence(paths: Sequence[Any]) -> np.ndarray:
    """Paths as an array, to be indexed by arrays."""
    found = np.empty(len(paths), object)
    found[:] = paths
    return found
