"""Orders: every example once an epoch, by (seed, epoch) alone."""

import numpy as np
import pytest

from dlfun.data.order import by_length, in_order, shuffled

LENGTHS = np.random.default_rng(0).integers(1, 100, 1003)
ORDERS = {"shuffled": shuffled, "in_order": in_order, "by_length": by_length(LENGTHS)}


@pytest.mark.parametrize("name", ORDERS)
@pytest.mark.parametrize(("size", "batch_size"), [(1003, 16), (1003, 1003), (1003, 2000)])
def test_every_example_comes_once(name, size, batch_size):
    indices = ORDERS[name](0, 3, size, batch_size)
    assert indices.shape == (-(-size // batch_size), batch_size)
    assert sorted(indices[indices >= 0].tolist()) == list(range(size))


@pytest.mark.parametrize("name", ["shuffled", "by_length"])
def test_seed_and_epoch_decide(name):
    def order(seed, epoch):
        return ORDERS[name](seed, epoch, 1003, 16).tolist()

    assert order(1, 2) == order(1, 2)
    assert order(1, 2) != order(1, 3)
    assert order(1, 2) != order(2, 2)


def test_in_order_is_as_stored():
    assert in_order(5, 7, 5, 2).tolist() == [[0, 1], [2, 3], [4, -1]]


def padding(indices):
    """Share of a batch's steps that are padding, where its rows are as long as the longest."""
    lengths = np.where(indices < 0, 0, LENGTHS[indices])
    return 1 - lengths.sum() / (lengths.max(axis=1) * indices.shape[1]).sum()


def test_batches_by_length_need_little_padding():
    assert padding(ORDERS["by_length"](0, 0, 1003, 16)) < 0.1
    assert padding(shuffled(0, 0, 1003, 16)) > 0.4


def test_batches_by_length_come_in_a_random_order():
    longest = LENGTHS[ORDERS["by_length"](0, 0, 1003, 16)].max(axis=1)
    assert (np.diff(longest[:50]) < 0).sum() > 10


def test_by_length_checks_the_number_of_examples():
    with pytest.raises(ValueError, match="1003 lengths for 5 examples"):
        ORDERS["by_length"](0, 0, 5, 2)
