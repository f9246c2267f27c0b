"""Feeding: streamed batches are those from memory, from any step, and what does not fit streams."""

import jax
import numpy as np
import pytest

from dlfun import experiment as experiments
from dlfun.train import batches as feed
from dlfun.train import loop


@pytest.fixture
def experiment(small_mnist):
    module = experiments.load("mnist_mlp")
    return module.build(module.Config(hidden=(16,), epochs=3, batch_size=16))


def stream(experiment, steps, columns=slice(None)):
    """Every batch of a stream, as (step, batch)."""
    train, per_epoch = experiment.dataset.splits["train"], loop.steps_per_epoch(experiment)
    rows = lambda epoch: feed.order(0, epoch, 300, experiment.batch_size)  # noqa: E731
    windows = feed.from_stream(train, steps, per_epoch, rows, np.asarray, columns)
    for window in windows:
        for i in range(window.steps):
            batch = {name: array[i] for name, array in window.data.items()}
            yield window.first + i, batch | {"weight": window.indices[i] >= 0}


@pytest.mark.parametrize("size", [1, 7 * 16 * 788, 2**30])
def test_streamed_batches_are_those_from_memory(experiment, monkeypatch, size):
    """For windows of one batch, of seven and of all."""
    monkeypatch.setattr(feed, "WINDOW_BYTES", size)
    train = experiment.dataset.splits["train"]
    seen = 0
    for step, batch in stream(experiment, range(3 * 19)):
        wanted = feed.order(0, step // 19, 300, 16)[step % 19]
        there = wanted >= 0
        assert step == seen
        np.testing.assert_array_equal(batch["weight"], there)
        for name, array in train.items():
            np.testing.assert_array_equal(batch[name][there], array[wanted[there]])
        seen += 1
    assert seen == 3 * 19


def test_a_stream_goes_on_where_it_was(experiment, monkeypatch):
    monkeypatch.setattr(feed, "WINDOW_BYTES", 5 * 16 * 788)
    whole = dict(stream(experiment, range(57)))
    for start in (3, 19, 36, 56):
        rest = dict(stream(experiment, range(start, 57)))
        assert set(range(start, 57)) <= set(rest)
        for step in range(start, 57):
            jax.tree.map(np.testing.assert_array_equal, rest[step], whole[step])


def test_processes_share_each_batch(experiment):
    whole = dict(stream(experiment, range(19)))
    halves = [dict(stream(experiment, range(19), part)) for part in (slice(0, 8), slice(8, 16))]
    for step, batch in whole.items():
        for name, array in batch.items():
            joined = np.concatenate([half[step][name] for half in halves])
            np.testing.assert_array_equal(joined, array)


def test_training_on_a_stream_changes_no_bit(experiment, monkeypatch):
    monkeypatch.setattr(feed, "WINDOW_BYTES", 7 * 16 * 788)
    ends = []
    for kind in ("memory", "stream"):
        programs = loop.compile_programs(experiment, feed=kind)
        *_, last = loop.fit(experiment, loop.start(experiment), programs)
        ends.append(jax.device_get((last.position.state, last.evaluated)))
    jax.tree.map(np.testing.assert_array_equal, *ends)


def test_what_does_not_fit_is_streamed(experiment, monkeypatch):
    assert loop.choose_feed(experiment) == "memory"
    monkeypatch.setattr(loop, "MEMORY_SHARE", 1e-6)
    assert loop.choose_feed(experiment) == "stream"


def test_an_array_on_the_disk_is_read_in_parts(experiment, tmp_path):
    """A memory map is indexed, never copied whole."""
    train = experiment.dataset.splits["train"]
    np.save(tmp_path / "image.npy", train["image"])
    mapped = {**train, "image": np.load(tmp_path / "image.npy", mmap_mode="r")}
    splits = {**experiment.dataset.splits, "train": mapped}
    on_disk = experiment._replace(dataset=experiment.dataset._replace(splits=splits))
    a, b = (dict(stream(e, range(19))) for e in (experiment, on_disk))
    jax.tree.map(np.testing.assert_array_equal, a, b)
