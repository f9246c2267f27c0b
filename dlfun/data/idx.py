"""IDX, the file format of MNIST: big-endian sizes, then the array (LeCun, Cortes, Burges)."""

import hashlib
import math
import struct
import zlib
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dlfun.errors import UserError

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


class Checksum(NamedTuple):
    """What a file must be: its size in bytes and its SHA-256 in hexadecimal."""

    size: int
    sha256: str


def parse(content: bytes) -> np.ndarray:
    """The array in an uncompressed IDX file, read-only, without a copy.

    Layout: two zero bytes, the type of an element, the number of dimensions, each dimension as a
    big-endian uint32, the elements in C order, big-endian.

    Raises:
        ValueError: the bytes are no IDX file, or more or fewer than the header says.
    """
    kind = content[2] if len(content) >= 4 and content[:2] == b"\0\0" else None
    if kind not in _TYPES or len(content) < 4 + 4 * content[3]:
        raise ValueError("not an IDX file")
    shape = struct.unpack_from(f">{content[3]}I", content, 4)
    start = 4 + 4 * len(shape)
    expected = math.prod(shape) * np.dtype(_TYPES[kind]).itemsize
    if len(content) - start != expected:
        raise ValueError(f"shape {shape} needs {expected} bytes, found {len(content) - start}")
    return np.frombuffer(content, _TYPES[kind], offset=start).reshape(shape)


def read(file: Path | Traversable, expected: Checksum, remedy: str) -> np.ndarray:
    """The array in a gzipped IDX file whose bytes are the expected ones.

    `remedy` is what the user is told to do where they are not.

    Raises:
        UserError: the file is missing, cannot be read, or has another size or SHA-256.
    """
    try:
        packed = file.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{file} is missing: {remedy}") from None
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror}): {remedy}") from error
    if len(packed) != expected.size:
        fault = "is truncated" if len(packed) < expected.size else "is not the expected file"
        raise UserError(
            f"{file} {fault}: expected {expected.size:,} bytes, found {len(packed):,}: {remedy}"
        )
    found = hashlib.sha256(packed).hexdigest()
    if found != expected.sha256:
        raise UserError(
            f"{file} is damaged: expected SHA-256 {expected.sha256}, found {found}: {remedy}"
        )
    return parse(zlib.decompress(packed, wbits=31))
