"""Datasets by name: MNIST's known facts, what is held out, and what is told of bad input."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dlfun.data import catalogue, idx_sets, load
from dlfun.data.dataset import partition
from dlfun.errors import UserError


@pytest.fixture(scope="module")
def mnist():
    return load("mnist")


def test_mnist_is_the_published_one(mnist):
    train, test = mnist.splits["train"], mnist.splits["test"]
    assert train["image"].shape == (60_000, 28, 28, 1)
    assert test["image"].shape == (10_000, 28, 28, 1)
    assert train["image"].dtype == test["image"].dtype == np.uint8
    assert train["label"].dtype == test["label"].dtype == np.int32
    assert train["label"][:5].tolist() == [5, 0, 4, 1, 9]
    assert test["label"][:5].tolist() == [7, 2, 1, 0, 4]
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(train["label"]).tolist() == counts
    assert mnist.classes == tuple("0123456789")
    share = np.bincount(train["image"].ravel(), minlength=256) / train["image"].size
    unit = np.arange(256) / 255
    mean = share @ unit
    assert mean == pytest.approx(0.1307, abs=5e-5)
    assert np.sqrt(share @ (unit - mean) ** 2) == pytest.approx(0.3081, abs=5e-5)


def test_import_needs_neither_jax_nor_tfds():
    heavy = "{'jax', 'tensorflow_datasets', 'matplotlib', 'PIL'}"
    program = f"import sys, dlfun.data; sys.exit(sorted({heavy} & set(sys.modules)) or None)"
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize(("size", "share"), [(10, 0.25), (997, 0.1), (60_000, 1 / 6), (3, 0.9)])
def test_held_out_is_a_partition(size, share):
    kept, held = partition(size, share, seed=3)
    assert len(held) == round(size * share)
    np.testing.assert_array_equal(np.sort(np.concatenate([kept, held])), np.arange(size))


def test_held_out_is_fixed_for_ever():
    assert partition(12, 0.25, seed=0)[1].tolist() == [6, 7, 10]
    assert partition(12, 0.25, seed=1)[1].tolist() == [1, 4, 11]


def test_validation_is_disjoint_complete_and_seeded(mnist):
    first, again, other = (load("mnist", validation=0.1, seed=seed) for seed in (5, 5, 6))
    train, validation = first.splits["train"], first.splits["validation"]
    assert (len(train["label"]), len(validation["label"])) == (54_000, 6_000)
    kept, held = partition(60_000, 0.1, seed=5)
    for name, array in mnist.splits["train"].items():
        np.testing.assert_array_equal(train[name], array[kept])
        np.testing.assert_array_equal(validation[name], array[held])
        np.testing.assert_array_equal(validation[name], again.splits["validation"][name])
    assert not np.array_equal(validation["label"], other.splits["validation"]["label"])
    np.testing.assert_array_equal(first.splits["test"]["image"], mnist.splits["test"]["image"])


def test_nothing_is_held_out_unless_asked(mnist):
    assert list(mnist.splits) == ["train", "test"]


@pytest.mark.parametrize("share", [-0.1, 1.0, 1.5, float("nan")])
def test_a_share_out_of_range_is_refused(share):
    with pytest.raises(UserError, match="validation must be at least 0 and below 1"):
        load("mnist", validation=share)


@pytest.mark.parametrize("share", [1e-9, 1 - 1e-9])
def test_a_share_that_leaves_a_split_empty_is_refused(share):
    with pytest.raises(UserError, match="both must be at least 1"):
        load("mnist", validation=share)


def test_a_negative_seed_is_refused():
    with pytest.raises(UserError, match="seed must be at least 0"):
        load("mnist", validation=0.1, seed=-1)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("minst", "unknown dataset 'minst' .did you mean 'mnist'"),
        ("fashion-mnist", "did you mean 'fashion_mnist'"),
        ("kmnist", "did you mean 'tfds:kmnist'"),
        ("", "expected mnist, fashion_mnist, tfds:NAME, folder:PATH or arrays:FILE"),
    ],
)
def test_an_unknown_name_is_told_with_the_nearest(name, told):
    with pytest.raises(UserError, match=told):
        load(name)


def test_fashion_mnist_names_a_missing_file(tmp_path):
    (tmp_path / "fashion_mnist").mkdir()
    with pytest.raises(
        UserError, match=r"train-images-idx3-ubyte\.gz is missing: put the original"
    ):
        load("fashion_mnist", data_dir=tmp_path)


def test_data_dir_wins_over_the_environment(tmp_path, monkeypatch):
    for root in ("named", "environment"):
        (tmp_path / root / "fashion_mnist").mkdir(parents=True)
    monkeypatch.setenv("DLFUN_DATA", str(tmp_path / "environment"))
    with pytest.raises(UserError, match="/named/fashion_mnist/"):
        load("fashion_mnist", data_dir=tmp_path / "named")
    with pytest.raises(UserError, match="/environment/fashion_mnist/"):
        load("fashion_mnist")


@pytest.mark.skipif("DLFUN_DATA" not in os.environ, reason="DLFUN_DATA is not set")
def test_fashion_mnist_is_the_published_one():
    dataset = load("fashion_mnist")
    for split, size in idx_sets.EXAMPLES.items():
        assert dataset.splits[split]["image"].shape == (size, 28, 28, 1)
        assert np.bincount(dataset.splits[split]["label"]).tolist() == [size // 10] * 10
    names = [dataset.classes[label] for label in dataset.splits["train"]["label"][:3]]
    assert names == ["Ankle boot", "T-shirt/top", "T-shirt/top"]


def test_the_catalogue_tells_what_is_here(tmp_path, monkeypatch):
    monkeypatch.delenv("DLFUN_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    entries = {entry.name: entry for entry in catalogue(tmp_path)}
    assert list(entries) == [
        "mnist",
        "fashion_mnist",
        "tfds:NAME",
        "folder:PATH",
        "arrays:FILE.npz",
    ]
    carried = entries["mnist"]
    assert carried.present
    assert carried.examples == {"train": 60_000, "test": 10_000}
    assert carried.licence == "CC BY-SA 3.0"
    files = Path(carried.location).glob("*.gz")
    assert carried.size_bytes == sum(file.stat().st_size for file in files)
    absent = entries["fashion_mnist"]
    assert (absent.present, absent.size_bytes) == (False, 0)
    assert absent.location == str(tmp_path / "fashion_mnist")
