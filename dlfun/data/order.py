"""Orders: which examples make each batch of an epoch, as functions of (seed, epoch, size, batch).

An order returns indices [steps, batch_size], where -1 stands for no example; a batch's examples of
-1 get weight 0. Equal arguments give equal indices, so a resumed training reads the same batches.
"""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Int

Order = Callable[[int, int, int, int], Int[np.ndarray, "steps batch"]]
"""(seed, epoch, number of examples, batch size) → indices."""


def shuffled(seed: int, epoch: int, size: int, batch_size: int) -> Int[np.ndarray, "steps batch"]:
    """Every example once an epoch, in a new random order each epoch."""
    import jax

    from dlfun.random import stream

    key = jax.random.fold_in(stream(seed, "data"), epoch)
    return rows(np.asarray(jax.random.permutation(key, size)), batch_size)


def in_order(seed: int, epoch: int, size: int, batch_size: int) -> Int[np.ndarray, "steps batch"]:
    """Every example once an epoch, as they are stored."""
    return rows(np.arange(size), batch_size)


def by_length(lengths: Sequence[int] | np.ndarray) -> Order:
    """An order that puts examples of similar length into one batch.

    The shuffled examples are sorted by length within windows of 50 batches, and the batches then
    come in a random order: so a batch needs little padding, and batches differ between epochs.
    """
    lengths = np.asarray(lengths)

    def order(seed: int, epoch: int, size: int, batch_size: int) -> Int[np.ndarray, "steps batch"]:
        if size != len(lengths):
            raise ValueError(f"by_length was given {len(lengths)} lengths for {size} examples")
        mixed = shuffled(seed, epoch, size, size)[0]
        window = 50 * batch_size
        parts = [mixed[start : start + window] for start in range(0, size, window)]
        by_size = [part[np.argsort(lengths[part], kind="stable")] for part in parts]
        batches = rows(np.concatenate(by_size), batch_size)
        # Numbers that no epoch reaches make a separate stream for the order of the batches.
        return batches[shuffled(seed, 2**32 - 1 - epoch, len(batches), len(batches))[0]]

    return order


def rows(indices: np.ndarray, batch_size: int) -> Int[np.ndarray, "steps batch"]:
    """Indices as rows of `batch_size`, the last filled up with -1."""
    steps = -(-len(indices) // batch_size)
    padded = np.full(steps * batch_size, -1, np.int32)
    padded[: len(indices)] = indices
    return padded.reshape(steps, batch_size)
