"""How examples reach the compiled loop: the order of the data, and windows of batches.

A window is a run of batches of one epoch. From memory it is the whole epoch: the data lie on the
device and each batch is gathered there by its indices. Streamed, it is as many batches as make
`WINDOW_BYTES`, gathered on the host ahead of the step by grain; a process reads its own share of
each batch only. Both give the same batches for the same (seed, epoch), and where a window begins is
a function of the step alone, so a resumed stream goes on to the very batch.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from dlfun.data.encoded_images import EncodedImages
from dlfun.random import Seed, stream

Feed = Literal["memory", "stream"]
Split = dict[str, Any]
WINDOW_BYTES = 32 * 2**20
"""Of a streamed window: large enough to hide the cost of a call, small enough to hold several."""
THREADS = 2
"""Readers of a stream; as many windows lie ready."""


class Window(NamedTuple):
    """Batches `first` to `first + steps` of the training, numbered from its start."""

    data: dict[str, Array]
    indices: Array
    """[steps, *members, batch]; -1 stands for no example. May be padded beyond `steps`."""
    first: int
    steps: int


def order(
    seed: Seed, epoch: int, size: int, batch_size: int
) -> Int[np.ndarray, "steps *members batch"]:
    """The indices of each batch of an epoch: a function of (seed, epoch).

    The last batch is filled up with -1, which stands for no example.
    """
    if isinstance(seed, tuple):
        return np.stack([order(one, epoch, size, batch_size) for one in seed], axis=1)
    key = jax.random.fold_in(stream(seed, "data"), epoch)
    return batches(np.asarray(jax.random.permutation(key, size)), batch_size)


def batches(indices: np.ndarray, batch_size: int) -> Int[np.ndarray, "steps batch"]:
    """Indices as rows of `batch_size`, the last filled up with -1."""
    steps = -(-len(indices) // batch_size)
    padded = np.full(steps * batch_size, -1, np.int32)
    padded[: len(indices)] = indices
    return padded.reshape(steps, batch_size)


def widen(
    indices: Int[np.ndarray, "*steps batch"], multiple: int
) -> Int[np.ndarray, "*steps wide"]:
    """Batches filled up with -1 until their length is a multiple of `multiple`."""
    extra = -indices.shape[-1] % multiple
    pad = [(0, 0)] * (indices.ndim - 1) + [(0, extra)]
    return np.pad(indices, pad, constant_values=-1)


def gather(data: dict[str, Array], indices: Int[Array, "*batch"]) -> dict[str, Array]:
    """The batch at `indices`; weight 0 where an index is -1."""
    return {name: array[indices] for name, array in data.items()} | {"weight": weight(indices)}


def weight(indices: Int[Array, "*batch"]) -> Float[Array, "*batch"]:
    """1 for an example, 0 for none."""
    return (indices >= 0).astype(jnp.float32)


def bytes_of(split: Split) -> int:
    """Size of a split's arrays."""
    return sum(array.nbytes for array in split.values())


def from_memory(
    data: dict[str, Array],
    epochs: range,
    rows: Callable[[int], np.ndarray],
    place: Callable[[np.ndarray], Array],
) -> Iterator[Window]:
    """A window for each epoch of data that lie on the device.

    `rows(epoch)` gives the indices, drawn while the epoch before is being trained.
    """
    if not epochs:
        return
    with ThreadPoolExecutor(1) as reader:
        ahead = reader.submit(rows, epochs[0])
        for epoch in epochs:
            indices = ahead.result()
            if epoch + 1 in epochs:
                ahead = reader.submit(rows, epoch + 1)
            yield Window(data, place(indices), epoch * len(indices), len(indices))


def from_stream(
    split: Split,
    steps: range,
    per_epoch: int,
    rows: Callable[[int], np.ndarray],
    place: Callable[[np.ndarray], Array],
    columns: slice,
    crops: int | None = None,
) -> Iterator[Window]:
    """Windows over the batches numbered `steps`, read ahead of their use.

    `columns` is the share of each batch that this process reads; `place` takes such a share.
    `crops` is the seed of random crops of encoded images; without it they are cropped centrally.
    """
    import grain

    source = Windows(split, per_epoch, rows, columns, crops)
    first, last = source.number(steps.start), source.number(steps.stop - 1)
    options = grain.ReadOptions(num_threads=THREADS, prefetch_buffer_size=THREADS)
    windows = grain.MapDataset.source(source)[first : last + 1].to_iter_dataset(options)
    for number, (data, indices) in enumerate(windows, start=first):
        begin, length = source.bounds(number)
        placed = {name: place(array) for name, array in data.items()}
        yield Window(placed, place(indices), begin, length)


class Windows:
    """A grain source: the windows of all epochs, numbered from the start of training."""

    def __init__(
        self,
        split: Split,
        per_epoch: int,
        rows: Callable[[int], np.ndarray],
        columns: slice,
        crops: int | None = None,
    ) -> None:
        self.split, self.per_epoch, self.rows, self.columns = split, per_epoch, rows, columns
        self.crops = crops
        example = bytes_of(split) / len(next(iter(split.values())))
        batch = len(rows(0)[0, columns])
        self.length = min(per_epoch, max(1, int(WINDOW_BYTES / (example * max(batch, 1)))))
        self.per_window = -(-per_epoch // self.length)

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

    def __getitem__(self, number: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        first, steps = self.bounds(int(number))
        epoch, begin = divmod(first, self.per_epoch)
        wanted = np.full((self.length, len(self.rows(epoch)[0, self.columns])), -1, np.int32)
        wanted[:steps] = self.rows(epoch)[begin : begin + steps, self.columns]
        flat, data = np.maximum(wanted, 0).reshape(-1), {}
        for name, column in self.split.items():
            if isinstance(column, EncodedImages):
                draw = None if self.crops is None else (self.crops, epoch)
                data[name], there = column.read(wanted, draw)
                wanted = np.where(there, wanted, -1)
            else:
                data[name] = np.asarray(column[flat]).reshape(*wanted.shape, *column.shape[1:])
        return data, wanted
