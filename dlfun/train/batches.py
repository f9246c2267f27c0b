"""Batches on the host: windows of the indices, or of the examples, that a compiled loop runs over.

A window is a run of batches of one epoch. Where the data lie on the devices it is the whole epoch,
and holds indices only: each batch is gathered in the compiled loop. Where they are streamed, it
holds `WINDOW_BYTES` of examples, gathered on the host ahead of the step by grain, and a process
reads its share of each batch only. Both give the same batches for the same (seed, epoch), and the
start of a window depends on the step alone, so a resumed stream goes on to the same batch.
"""

import functools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, NamedTuple

import jax
import numpy as np
from jaxtyping import Int

from dlfun.data.dataset import Dataset, Split
from dlfun.data.encoded_images import EncodedImages
from dlfun.data.order import rows
from dlfun.errors import UserError

Feed = Literal["memory", "stream"]
WINDOW_BYTES = 32 * 2**20
"""Size of a streamed window: it hides the cost of a call, and several fit in memory."""
THREADS = 2
"""Readers of a stream; as many windows are read ahead."""
EVALUATION_BATCH = 500


class Window(NamedTuple):
    """Batches `first` to `first + steps` of a stage, numbered from its start."""

    indices: Int[np.ndarray, "steps members batch"]
    """-1 stands for no example. May be padded beyond `steps`."""
    data: Split | None
    """The examples at these indices, [steps, batch, …], of this process's share of each batch; None
    where the data lie on the devices."""
    first: int
    steps: int


class Order:
    """The indices of each batch of a stage, for one or more seeds side by side."""

    def __init__(
        self,
        dataset: Dataset,
        seeds: tuple[int, ...],
        batch_size: int,
        multiple: int = 1,
        first_epoch: int = 0,
    ) -> None:
        self.dataset, self.seeds, self.batch_size = dataset, seeds, batch_size
        self.multiple, self.first_epoch = multiple, first_epoch
        self.steps_per_epoch = dataset.steps_per_epoch(batch_size)
        self.epoch = functools.lru_cache(maxsize=4)(self._epoch)

    def _epoch(self, epoch: int) -> Int[np.ndarray, "steps members batch"]:
        size, number = self.dataset.size("train"), self.first_epoch + epoch
        orders = {s: self.dataset.order(s, number, size, self.batch_size) for s in set(self.seeds)}
        indices = np.stack([orders[seed] for seed in self.seeds], axis=1)
        if (indices < 0).all(axis=-1).any():
            raise UserError(f"the order of the training set has an empty batch in epoch {number}")
        return pad_to_multiple(indices, self.multiple)


def pad_to_multiple(
    indices: Int[np.ndarray, "*steps batch"], multiple: int
) -> Int[np.ndarray, "*steps wide"]:
    """Batches filled up with -1 until their length is a multiple of `multiple`."""
    extra = -indices.shape[-1] % multiple
    pad = [(0, 0)] * (indices.ndim - 1) + [(0, extra)]
    return np.pad(indices, pad, constant_values=-1)


def evaluation_order(
    dataset: Dataset, split: str, batch_size: int, multiple: int
) -> Int[np.ndarray, "steps batch"]:
    """The indices of a split that is evaluated: every example once, as they are stored."""
    size = dataset.size(split)
    return pad_to_multiple(rows(np.arange(size), min(batch_size, size)), multiple)


def bytes_of(split: Split) -> int:
    """Size of a split's arrays."""
    return sum(array.nbytes for array in split.values())


def from_memory(order: Order, steps: range) -> Iterator[Window]:
    """A window for each epoch that `steps` touches; the next epoch's order is drawn ahead."""
    length = order.steps_per_epoch
    epochs = range(steps.start // length, -(-steps.stop // length)) if steps else range(0)
    if not epochs:
        return
    with ThreadPoolExecutor(1) as reader:
        ahead = reader.submit(order.epoch, epochs[0])
        for epoch in epochs:
            indices = ahead.result()
            if epoch + 1 in epochs:
                ahead = reader.submit(order.epoch, epoch + 1)
            yield Window(indices, None, epoch * length, length)


def from_stream(order: Order, steps: range) -> Iterator[Window]:
    """Windows over the batches numbered `steps`, read ahead of their use, for one seed.

    Encoded images get random crops, drawn by the seed, the epoch and the example's index.
    """
    (seed,) = order.seeds
    split, length = order.dataset.splits["train"], order.steps_per_epoch

    def epoch(number: int) -> np.ndarray:
        return order.epoch(number)[:, 0]

    source = _Source(split, length, epoch, lambda number: (seed, order.first_epoch + number))
    yield from source.windows(steps)


def evaluation_windows(split: Split, indices: Int[np.ndarray, "steps batch"]) -> Iterator[Window]:
    """Windows over a split that is evaluated; encoded images are cropped centrally."""
    source = _Source(split, len(indices), lambda number: indices, lambda number: None)
    yield from source.windows(range(len(indices)))


class _Source:
    """A grain source: the windows of all epochs, numbered from the start of a stage."""

    def __init__(
        self,
        split: Split,
        per_epoch: int,
        epoch: Callable[[int], np.ndarray],
        crops: Callable[[int], tuple[int, int] | None],
    ) -> None:
        self.split, self.per_epoch, self.epoch, self.crops = split, per_epoch, epoch, crops
        batch = epoch(0).shape[1] // jax.process_count()
        self.columns = slice(jax.process_index() * batch, (jax.process_index() + 1) * batch)
        example = bytes_of(split) / len(next(iter(split.values())))
        self.length = min(per_epoch, max(1, int(WINDOW_BYTES / (example * max(batch, 1)))))
        self.per_window = -(-per_epoch // self.length)

    def windows(self, steps: range) -> Iterator[Window]:
        if not steps:
            return
        import grain

        first, last = self.number(steps.start), self.number(steps.stop - 1)
        options = grain.ReadOptions(num_threads=THREADS, prefetch_buffer_size=THREADS)
        read = grain.MapDataset.source(self)[first : last + 1].to_iter_dataset(options)
        for number, (data, indices) in enumerate(read, start=first):
            begin, length = self.bounds(number)
            yield Window(indices[:, None], data, begin, length)

    def __len__(self) -> int:
        return 2**31 - 1  # As many epochs as are asked for.

    def number(self, step: int) -> int:
        """The window that holds a step."""
        epoch, done = divmod(step, self.per_epoch)
        return epoch * self.per_window + done // self.length

    def bounds(self, number: int) -> tuple[int, int]:
        """First step of a window, and how many steps it holds."""
        epoch, window = divmod(number, self.per_window)
        begin = window * self.length
        return epoch * self.per_epoch + begin, min(self.length, self.per_epoch - begin)

    def __getitem__(self, number: int) -> tuple[Split, np.ndarray]:
        first, steps = self.bounds(int(number))
        epoch, begin = divmod(first, self.per_epoch)
        order = self.epoch(epoch)[:, self.columns]
        wanted = np.full((self.length, order.shape[1]), -1, np.int32)
        wanted[:steps] = order[begin : begin + steps]
        flat, data = np.maximum(wanted, 0).reshape(-1), {}
        for name, column in self.split.items():
            if isinstance(column, EncodedImages):
                data[name], readable = column.read(wanted, self.crops(epoch))
                wanted = np.where(readable, wanted, -1)
            else:
                data[name] = np.asarray(column[flat]).reshape(*wanted.shape, *column.shape[1:])
        return data, wanted
