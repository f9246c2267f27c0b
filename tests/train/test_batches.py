"""Batches: streamed ones are those from memory, from any step, and what does not fit streams."""

from types import SimpleNamespace

import jax
import numpy as np
import pytest

from dlfun.errors import UserError
from dlfun.train import batches, options
from dlfun.train.batches import Order
from tests.works import assert_equal, finish, make_work, programs_of

STEPS = 19
"""In an epoch of 300 examples."""


def stream(dataset, steps, first_epoch=0):
    """Every batch of a stream, as (step, batch)."""
    for window in batches.from_stream(Order(dataset, (0,), 16, 1, first_epoch), steps):
        for i in range(window.steps):
            batch = {name: array[i] for name, array in window.data.items()}
            yield window.first + i, batch | {"weight": window.indices[i, 0] >= 0}


@pytest.mark.parametrize("size", [1, 7 * 16 * 788, 2**30])
@pytest.mark.parametrize("first_epoch", [0, 4])
def test_streamed_batches_are_those_from_memory(digits, monkeypatch, size, first_epoch):
    """For windows of one batch, of seven and of all; also in a stage after another."""
    monkeypatch.setattr(batches, "WINDOW_BYTES", size)
    train = digits.splits["train"]
    seen = 0
    for step, batch in stream(digits, range(3 * STEPS), first_epoch):
        expected = digits.order(0, first_epoch + step // STEPS, 300, 16)[step % STEPS]
        there = expected >= 0
        assert step == seen
        np.testing.assert_array_equal(batch["weight"], there)
        for name, array in train.items():
            np.testing.assert_array_equal(batch[name][there], array[expected[there]])
        seen += 1
    assert seen == 3 * STEPS


def test_windows_in_memory_hold_the_order_of_each_seed(digits):
    order = Order(digits, (0, 5), 16, multiple=3, first_epoch=2)
    windows = list(batches.from_memory(order, range(STEPS + 2, 3 * STEPS)))
    assert [(window.first, window.steps) for window in windows] == [(STEPS, STEPS), (38, STEPS)]
    for epoch, window in enumerate(windows, start=1):
        assert window.data is None
        assert window.indices.shape == (STEPS, 2, 18)
        assert (window.indices[:, :, 16:] == -1).all()
        for member, seed in enumerate((0, 5)):
            expected = digits.order(seed, 2 + epoch, 300, 16)
            np.testing.assert_array_equal(window.indices[:, member, :16], expected)


def test_an_order_with_an_empty_batch_is_refused(digits):
    """Updates in a run are compiled without a test for it."""

    def order(seed, epoch, size, batch_size):
        indices = digits.order(seed, epoch, size, batch_size)
        indices[3] = -1 if epoch == 1 else indices[3]
        return indices

    windows = batches.from_memory(Order(digits._replace(order=order), (0,), 16), range(2 * STEPS))
    next(windows)
    with pytest.raises(UserError, match="training set has an empty batch in epoch 1"):
        next(windows)


def test_a_stream_goes_on_where_it_was(digits, monkeypatch):
    monkeypatch.setattr(batches, "WINDOW_BYTES", 5 * 16 * 788)
    whole = dict(stream(digits, range(57)))
    for start in (3, 19, 36, 56):
        rest = dict(stream(digits, range(start, 57)))
        assert set(range(start, 57)) <= set(rest)
        for step in range(start, 57):
            assert_equal(rest[step], whole[step])


def test_processes_share_each_batch(digits, monkeypatch):
    whole = dict(stream(digits, range(STEPS)))
    halves = []
    for process in (0, 1):
        two = SimpleNamespace(process_count=lambda: 2, process_index=lambda p=process: p)
        monkeypatch.setattr(batches, "jax", two)
        halves.append(dict(stream(digits, range(STEPS))))
    for step, batch in whole.items():
        for name, array in batch.items():
            joined = np.concatenate([half[step][name] for half in halves])
            np.testing.assert_array_equal(joined, array)


def test_training_on_a_stream_changes_no_bit(digits, monkeypatch):
    monkeypatch.setattr(batches, "WINDOW_BYTES", 7 * 16 * 788)
    work = make_work(digits, epochs=3, batch_size=16)
    ends = [finish(work, programs_of(work, feed=feed)) for feed in ("memory", "stream")]
    assert_equal(*((last.position, last.evaluated) for last in ends))


def test_what_does_not_fit_is_streamed(digits, monkeypatch):
    assert options.choose_feed([digits]) == "memory"
    monkeypatch.setattr(options, "MEMORY_SHARE", 1e-6)
    assert options.choose_feed([digits]) == "stream"


def test_an_array_on_the_disk_is_read_in_parts(digits, tmp_path):
    """A memory map is indexed, never copied whole."""
    train = digits.splits["train"]
    np.save(tmp_path / "image.npy", train["image"])
    mapped = {**train, "image": np.load(tmp_path / "image.npy", mmap_mode="r")}
    on_disk = digits._replace(splits={**digits.splits, "train": mapped})
    a, b = (dict(stream(dataset, range(STEPS))) for dataset in (digits, on_disk))
    jax.tree.map(np.testing.assert_array_equal, a, b)
