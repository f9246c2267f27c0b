"""Subsets: of the size asked for, whole examples, nested, by the seed."""

import numpy as np

from dlfun.data.dataset import Dataset, repeat, subset

SPLIT = {"image": np.arange(50).reshape(50, 1, 1, 1), "label": np.arange(50, dtype=np.int32)}
DATASET = Dataset("numbers", {"train": SPLIT, "test": SPLIT}, ("a", "b"))


def labels(seed=0, **sizes):
    return set(subset(DATASET, seed, **sizes).splits["train"]["label"].tolist())


def test_a_subset_has_its_size_and_whole_examples():
    found = subset(DATASET, 0, train=17)
    train = found.splits["train"]
    assert found.size("train") == 17
    assert found.size("test") == 50
    np.testing.assert_array_equal(train["image"].ravel(), train["label"])


def test_the_smaller_lies_in_the_larger_and_the_seed_decides():
    assert labels(train=5) < labels(train=6) < labels(train=40)
    assert labels(train=20) == labels(train=20) != labels(seed=1, train=20)


def test_more_than_there_is_changes_nothing():
    assert subset(DATASET, 0, train=51, test=50).splits == DATASET.splits


def test_repeated_training_sets_hold_every_example_as_often():
    many = repeat(subset(DATASET, 0, train=5), 3)
    assert sorted(many.splits["train"]["label"].tolist()) == sorted(3 * list(labels(train=5)))
    assert many.size("test") == 50
