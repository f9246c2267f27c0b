"""A column of encoded images of unequal sizes, which are decoded and cropped when they are read.

A random crop is a function of (seed, epoch, index), so a resumed training gets the same crops as an
uninterrupted one. Images are decoded in threads, because Pillow's decoders release Python's lock.
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
    """Images in the interface of an array uint8 [N, size, size, 3]; indexing decodes central crops.

    Attributes:
        files: sequence of paths, of streams of bytes or of arrays of pixels.
        size: height and width of the crops.
        skip: True if an image with damaged pixels is skipped, False if it is an error.
        chosen: indices into `files` of the images of this column.
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
        # The warnings filter is process-wide and not thread-safe: set it before threads start.
        warnings.filterwarnings("ignore", module=r"PIL\.")
        self.files, self.size, self.skip = files, size, skip
        self.chosen = np.arange(len(files)) if chosen is None else chosen

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of the decoded images."""
        return len(self), self.size, self.size, 3

    @property
    def nbytes(self) -> int:
        """Size in bytes of the decoded images."""
        return int(np.prod(self.shape, dtype=np.int64))

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, index: Any) -> UInt8[np.ndarray, "*index height width 3"]:
        wanted = np.arange(len(self))[index]
        return self.read(np.atleast_1d(wanted))[0].reshape(*np.shape(wanted), *self.shape[1:])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:].astype(dtype or self.dtype, copy=False)

    def take(self, indices: Int[np.ndarray, " n"], axis: int = 0) -> "EncodedImages":
        """Select images by index; they stay encoded."""
        return EncodedImages(self.files, self.size, self.skip, self.chosen[indices])

    def read(
        self, indices: Int[np.ndarray, "*batch"], draw: tuple[int, int] | None = None
    ) -> tuple[UInt8[np.ndarray, "*batch height width 3"], Bool[np.ndarray, "*batch"]]:
        """Decode and crop images; returns the crops and a mask of the readable ones.

        An index of -1 stands for no image. Its crop and those of damaged images are black.
        With `draw`, (seed, epoch), crops are those of a training epoch: random resized crops, half
        of them mirrored. Otherwise they are central.

        Raises:
            UserError: an image that cannot be decoded, unless these are skipped.
        """
        from dlfun.data import image_decoding

        crops = np.zeros((indices.size, *self.shape[1:]), np.uint8)

        def decode(row: int, index: int) -> bool:
            choose: Callable = image_decoding.central_crop
            if draw is not None:
                numbers = uniforms(*draw, index, image_decoding.DRAWS)
                choose = functools.partial(image_decoding.random_crop, draws=numbers)
            file = self.files[int(self.chosen[index])]
            try:
                crops[row] = image_decoding.pixels(file, self.size, choose)
            except UserError as error:
                if not self.skip:
                    raise UserError(f"{error}; --skip-unreadable goes on without it") from None
                _warn_once(f"{error}: left out")
                return False
            return True

        flat = indices.reshape(-1)
        readable = flat >= 0
        rows = np.flatnonzero(readable)
        readable[rows] = list(_pool().map(decode, rows.tolist(), flat[rows].tolist()))
        return crops.reshape(*indices.shape, *self.shape[1:]), readable.reshape(indices.shape)


def uniforms(seed: int, epoch: int, index: int, count: int) -> Float[np.ndarray, " count"]:
    """Uniform numbers in [0, 1), a function of (seed, epoch, index), from Philox's raw output.

    NumPy guarantees that output for all its versions. The counter's last word, 1, separates these
    numbers from those of `dataset.partition`.
    """
    raw = np.random.Philox(key=seed, counter=[0, index, epoch, 1]).random_raw(count)
    return (raw >> np.uint64(11)) * 2.0**-53


@functools.cache  # Once for all epochs.
def _warn_once(text: str) -> None:
    _log.warning(text)


@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), "decode")


def is_encoded(dataset: Dataset) -> bool:
    """True if a dataset has a column of `EncodedImages`, so that it must be streamed."""
    columns = (column for split in dataset.splits.values() for column in split.values())
    return any(isinstance(column, EncodedImages) for column in columns)


def resized(dataset: Dataset, size: int, skip_unreadable: bool = False) -> Dataset:
    """Dataset whose images are cropped to size×size×3 when they are read.

    Images in decoded arrays are cropped and resized in the same way. The headers of all files are
    read here; with `skip_unreadable`, unreadable images are left out, with a warning that names and
    counts them.

    Raises:
        UserError: no images; unreadable images that are not skipped, named and counted; a class
            without readable images.
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
    """Indices of the images that can be opened. Raises UserError if others may not be skipped."""
    from dlfun.data import image_decoding

    def fault(index: int) -> str | None:
        try:
            with image_decoding.opened(images.files[index]):
                return None
        except UserError as error:
            return str(error).partition(";")[0]

    if isinstance(images.files, np.ndarray) and images.files.dtype != object:
        return np.arange(len(images))
    faults = list(_pool().map(fault, images.chosen.tolist()))
    if reasons := [reason for reason in faults if reason]:
        examples = "; ".join(reasons[:3]) + ("; …" if len(reasons) > 3 else "")
        total = f"{len(reasons):,} of {len(faults):,} images"
        count = f"{dataset.name}: {total} in {split} cannot be read"
        if not skip:
            raise UserError(
                f"{count}: {examples}: mend or remove them, or leave them out by --skip-unreadable"
            )
        _log.warning("%s and are left out: %s", count, examples)
    return np.flatnonzero([reason is None for reason in faults])


def sequence(paths: Sequence[Any]) -> np.ndarray:
    """Array of paths, which can be indexed by arrays."""
    array = np.empty(len(paths), object)
    array[:] = paths
    return array
