"""Tiny Shakespeare from a folder and through TFDS, without a network."""

import gzip
import hashlib

import pytest
import tensorflow_datasets as tfds

from dlfun.data import tiny_shakespeare
from dlfun.errors import UserError

TEXT = "First Citizen:\nBefore we proceed any further, hear me speak.\n" * 20


@pytest.fixture(autouse=True)
def _known(monkeypatch, tmp_path):
    """A short text is the expected one, and lies in no folder of this machine."""
    monkeypatch.setattr(tiny_shakespeare, "SHA256", hashlib.sha256(TEXT.encode()).hexdigest())
    monkeypatch.delenv("DLFUN_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def put(root, name, content):
    folder = root / "tiny_shakespeare"
    folder.mkdir(parents=True)
    (folder / name).write_bytes(content)
    return folder / name


@pytest.mark.parametrize(
    ("name", "content"),
    [("input.txt", TEXT.encode()), ("input.txt.gz", gzip.compress(TEXT.encode(), mtime=0))],
)
def test_the_text_is_read_from_a_folder(tmp_path, monkeypatch, name, content):
    put(tmp_path, name, content)
    assert tiny_shakespeare.text(tmp_path) == TEXT
    monkeypatch.setenv("DLFUN_DATA", str(tmp_path))
    assert tiny_shakespeare.text() == TEXT


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("input.txt", TEXT[1:].encode(), "is not the expected text"),
        ("input.txt", b"\xff\xfe", "not UTF-8 text"),
        ("input.txt.gz", gzip.compress(TEXT.encode(), mtime=0)[:-9], "cannot be read"),
        ("input.txt.gz", TEXT.encode(), "cannot be read"),
        ("input.txt.gz", gzip.compress(TEXT.encode(), mtime=0)[:12] + b"!" * 99, "cannot be read"),
    ],
)
def test_a_wrong_file_is_named_in_one_line(tmp_path, name, content, fault):
    file = put(tmp_path, name, content)
    with pytest.raises(UserError, match=fault) as raised:
        tiny_shakespeare.text(tmp_path)
    assert str(file) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_without_a_network_one_line_names_the_folder(tmp_path):
    with pytest.raises(UserError) as raised:
        tiny_shakespeare.text(tmp_path)
    assert f"put input.txt of char-rnn into {tmp_path / 'tiny_shakespeare'}" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_splits_of_tfds_make_the_whole_text(tmp_path, monkeypatch):
    downloaded = tmp_path / "downloaded.txt"
    downloaded.write_text(TEXT, encoding="utf-8")
    monkeypatch.setattr(tfds.download.DownloadManager, "download", lambda self, url: downloaded)
    assert tiny_shakespeare.text(tmp_path / "data") == TEXT
    assert tiny_shakespeare.text(tmp_path / "data") == TEXT


def test_a_text_of_ones_own_is_split_like_it(tmp_path):
    file = tmp_path / "own.txt"
    file.write_text("abcd" * 25, encoding="utf-8")
    parts, characters = tiny_shakespeare.tokens(f"text:{file}", validation=0.1)
    assert characters == ("a", "b", "c", "d")
    assert [len(parts[name]) for name in ("train", "validation", "test")] == [81, 9, 10]
    assert parts["train"][:5].tolist() == [0, 1, 2, 3, 0]


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("hamlet", "unknown dataset 'hamlet': expected tiny_shakespeare or text:FILE"),
        ("shakespeare", r"'shakespeare' \(did you mean 'tiny_shakespeare'\?\)"),
        ("text:", "unknown dataset 'text:': expected tiny_shakespeare or text:FILE"),
        ("text:/nowhere.txt", "/nowhere.txt cannot be read: No such file or directory"),
    ],
)
def test_another_name_or_a_missing_text_is_refused(name, fault):
    with pytest.raises(UserError, match=fault):
        tiny_shakespeare.tokens(name)


def test_an_empty_text_is_refused(tmp_path):
    file = tmp_path / "empty.txt"
    file.touch()
    with pytest.raises(UserError, match="has 0 different characters"):
        tiny_shakespeare.tokens(f"text:{file}")
