"""Encoded images, concatenated in one file that later runs map into memory.

Beside SPLIT.image.bin is SPLIT.offset.npy, int64 [N + 1]: image i is the bytes from offset i to
offset i + 1.
"""

import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from dlfun.errors import UserError


class Packed:
    """Images of a split by index, as streams of bytes with a name for error messages."""

    def __init__(self, name: str, data: np.ndarray, offsets: np.ndarray) -> None:
        self.name, self.data, self.offsets = name, data, offsets

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> io.BytesIO:
        start, stop = self.offsets[index : index + 2]
        stream = io.BytesIO(self.data[start:stop].tobytes())
        stream.name = f"{self.name}, image {index}"
        return stream


def write(folder: Path, split: str, images: Iterable[bytes]) -> None:
    """Write the images of a split into `folder`. Raises OSError on failure."""
    offsets = [0]
    with (folder / f"{split}.image.bin").open("wb") as file:
        for image in images:
            offsets.append(offsets[-1] + file.write(image))
    np.save(folder / f"{split}.offset.npy", np.array(offsets, np.int64))


def read(folder: Path, split: str, size: int, name: str) -> Packed:
    """Map the `size` images of a split. Raises UserError if they are not as `write` left them."""
    try:
        offsets = np.load(folder / f"{split}.offset.npy", allow_pickle=False)
        data = np.memmap(folder / f"{split}.image.bin", np.uint8, "r")
    except (OSError, ValueError, EOFError) as error:
        raise _damaged(folder, split) from error
    whole = offsets.dtype == np.int64 and offsets.shape == (size + 1,) and offsets[-1] == len(data)
    if not whole or offsets[0] or (np.diff(offsets) < 0).any():
        raise _damaged(folder, split)
    return Packed(f"{name} {split}", data, offsets)


def _damaged(folder: Path, split: str) -> UserError:
    return UserError(
        f"{folder}/{split}.image.bin is missing, truncated or unreadable: remove the folder "
        f"{folder} to have it made again"
    )
