"""Reader of IDX, the file format of MNIST: big-endian sizes, then the array."""

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
    """Expected size of a file in bytes, and its SHA-256 in hexadecimal."""

    size: int
    sha256: str


def parse(content: bytes) -> np.ndarray:
    """Parse an uncompressed IDX file into a read-only array, without a copy.

    Layout: two zero bytes, the type of an element, the number of dimensions, each dimension as a
    big-endian uint32, the elements in C order, big-endian.

    Raises:
        ValueError: the bytes are not an IDX file, or their number differs from the header's.
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
    """Read the array of a gzipped IDX file after checking its size and SHA-256.

    `remedy` is the advice at the end of an error message.

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
    sha256 = hashlib.sha256(packed).hexdigest()
    if sha256 != expected.sha256:
        raise UserError(
            f"{file} is damaged: expected SHA-256 {expected.sha256}, found {sha256}: {remedy}"
        )
    return parse(zlib.decompress(packed, wbits=31))
