"""IDX files: what is written is read; what is not the expected file is named."""

import gzip
import hashlib
import struct

import numpy as np
import pytest

from dlfun.data import idx
from dlfun.errors import UserError


def encode(array: np.ndarray, code: int) -> bytes:
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    return bytes([0, 0, code, array.ndim]) + sizes + array.tobytes()


@pytest.mark.parametrize(
    ("dtype", "code"),
    [("u1", 8), ("i1", 9), (">i2", 11), (">i4", 12), (">f4", 13), (">f8", 14)],
)
@pytest.mark.parametrize("shape", [(7,), (3, 4, 5), (0, 2)])
def test_parse_inverts_encoding(dtype, code, shape):
    array = np.random.default_rng(0).integers(0, 100, shape).astype(dtype)
    parsed = idx.parse(encode(array, code))
    assert parsed.dtype == array.dtype
    np.testing.assert_array_equal(parsed, array)


@pytest.mark.parametrize(
    "content", [b"", b"\0\0\x08", b"\1\0\x08\1\0\0\0\1a", b"\0\0\x07\1", b"PK"]
)
def test_parse_refuses_what_is_not_idx(content):
    with pytest.raises(ValueError, match="not an IDX file"):
        idx.parse(content)


@pytest.mark.parametrize("change", [-1, 1])
def test_parse_refuses_another_length(change):
    content = encode(np.zeros((2, 3), np.uint8), 8) + b"\0"
    with pytest.raises(ValueError, match=r"\(2, 3\) needs 6 bytes"):
        idx.parse(content[: change - 1 or None])


@pytest.fixture
def packed(tmp_path):
    array = np.arange(60, dtype=np.uint8).reshape(5, 4, 3)
    file = tmp_path / "images.gz"
    file.write_bytes(gzip.compress(encode(array, 8)))
    content = file.read_bytes()
    return file, array, idx.Checksum(len(content), hashlib.sha256(content).hexdigest())


def test_read_returns_the_array_of_the_expected_file(packed):
    file, array, expected = packed
    np.testing.assert_array_equal(idx.read(file, expected, "fetch it"), array)


def test_read_names_a_missing_file(tmp_path, packed):
    with pytest.raises(UserError, match=r"absent\.gz is missing: fetch it$"):
        idx.read(tmp_path / "absent.gz", packed[2], "fetch it")


def test_read_names_a_truncated_file_and_both_sizes(packed):
    file, _, expected = packed
    file.write_bytes(file.read_bytes()[:-3])
    told = rf"images\.gz is truncated: expected {expected.size} bytes, found {expected.size - 3}"
    with pytest.raises(UserError, match=told):
        idx.read(file, expected, "fetch it")


def test_read_names_a_changed_file_and_both_hashes(packed):
    file, _, expected = packed
    content = bytearray(file.read_bytes())
    content[20] ^= 1
    file.write_bytes(content)
    found = hashlib.sha256(content).hexdigest()
    told = f"damaged: expected SHA-256 {expected.sha256}, found {found}: fetch it"
    with pytest.raises(UserError, match=told):
        idx.read(file, expected, "fetch it")
