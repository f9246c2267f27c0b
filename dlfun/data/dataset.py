"""Datasets: named splits of arrays, and how examples are held out of one."""

from typing import Any, NamedTuple

import numpy as np

from dlfun.data.order import Order, in_order, shuffled
from dlfun.errors import UserError

Split = dict[str, Any]
TEST_SHARE = 0.1
"""The share of its training split that is held out as the test split of a set without one."""


class Dataset(NamedTuple):
    """Examples in memory, or mapped from the disk.

    Attributes:
        name: the name it was loaded by.
        splits: "train" and "test", and any others to evaluate on, such as "validation"; each holds
            arrays of equal length by name. Of labelled images that is
            {"image": uint8 [N, H, W, C], "label": int32 [N]}. Arrays may be read-only; images that
            stay encoded until they are read are `dlfun.data.encoded_images.EncodedImages`.
        classes: the name of each label, in order; none where there are no labels.
        order: which training examples make each batch of an epoch; the other splits are read as
            they are stored.
    """

    name: str
    splits: dict[str, Split]
    classes: tuple[str, ...] = ()
    order: Order = shuffled

    def check(self) -> None:
        """Raise UserError where a split has no examples, or arrays of unequal lengths."""
        for split, columns in self.splits.items():
            lengths = {name: len(column) for name, column in columns.items()}
            if len(set(lengths.values())) != 1 or not min(lengths.values()):
                sizes = ", ".join(f"{name} has {length:,}" for name, length in lengths.items())
                raise UserError(
                    f"{self.name}: the arrays of split '{split}' must have as many examples each, "
                    f"at least 1: {sizes or 'there are none'}"
                )

    def size(self, split: str) -> int:
        """Number of examples of a split."""
        return len(next(iter(self.splits[split].values())))

    def steps_per_epoch(self, batch_size: int) -> int:
        """Batches of the training split, the last perhaps a smaller one."""
        return -(-self.size("train") // batch_size)


def partition(size: int, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices (kept, held out) of a random partition of range(size), each ascending.

    The held-out ones are the last round(share·size) of a permutation that depends on (size, seed)
    only: the ranks of the first `size` raw draws of Philox (Salmon et al. 2011) keyed by the seed.
    NumPy promises those draws for all its versions, and does not promise `Generator.permutation`.
    """
    order = np.argsort(np.random.Philox(key=seed).random_raw(size), kind="stable")
    kept = size - round(share * size)
    return np.sort(order[:kept]), np.sort(order[kept:])


def take(split: Split, indices: np.ndarray) -> Split:
    """Some examples of a split: copies in memory, and what is encoded stays so."""
    return {name: column.take(indices, axis=0) for name, column in split.items()}


def with_test(splits: dict[str, Split]) -> dict[str, Split]:
    """The splits, a "test" among them.

    Where there is none, "validation" takes its place, or else a tenth of "train", chosen by
    `partition` with seed 0.
    """
    splits = dict(splits)
    if "test" not in splits and "validation" in splits:
        splits["test"] = splits.pop("validation")
    if "test" not in splits:
        train = splits["train"]
        parts = partition(len(train["label"]), TEST_SHARE, seed=0)
        splits["train"], splits["test"] = (take(train, part) for part in parts)
    return splits


def ticks(steps: int, test: int = 1) -> Dataset:
    """A dataset of `steps` empty examples, for learners that draw their own or act on their own.

    `test` empty ones are to be evaluated on.
    """
    sizes = {"train": steps, "test": test}
    splits = {name: {"tick": np.zeros(size, np.float32)} for name, size in sizes.items()}
    return Dataset("no data", splits, order=in_order)


def repeat(dataset: Dataset, times: int) -> Dataset:
    """The dataset with its training set several times over, where an epoch would be too short."""
    many = take(dataset.splits["train"], np.tile(np.arange(dataset.size("train")), times))
    return dataset._replace(splits=dataset.splits | {"train": many})


def hold_out_validation(dataset: Dataset, share: float, seed: int) -> Dataset:
    """Move a share of "train" into "validation", as `partition` picks it.

    Every example of "train" ends in exactly one of the two, in its old order. The two are copies in
    memory, also where "train" was mapped from the disk. A share of 0 returns the dataset as it is.

    Raises:
        UserError: a share outside [0, 1), or one that leaves either split empty; a seed that is
            no unsigned 64-bit integer; a set that comes with a validation split of its own.
    """
    if not 0 <= share < 1:
        raise UserError(f"validation must be at least 0 and below 1, not {share}")
    if share == 0:
        return dataset
    if not 0 <= seed < 2**64:
        raise UserError(f"seed must be at least 0 and below 2**64, not {seed}")
    if "validation" in dataset.splits:
        size = dataset.size("validation")
        raise UserError(
            f"{dataset.name} comes with a validation split of {size:,} examples:"
            " leave validation at 0"
        )
    train = dataset.splits["train"]
    size = dataset.size("train")
    kept, held = partition(size, share, seed)
    if not (len(kept) and len(held)):
        raise UserError(
            f"validation {share} of {size:,} examples holds out {len(held):,}"
            f" and leaves {len(kept):,} to train on: both must be at least 1"
        )
    splits = {
        "train": take(train, kept),
        "validation": take(train, held),
        "test": dataset.splits["test"],
    }
    return dataset._replace(splits=splits)


def subset(dataset: Dataset, seed: int, **sizes: int) -> Dataset:
    """Named splits cut to random subsets: `subset(dataset, 0, train=1000)`.

    The chosen examples are a function of (size of the split, seed), as in `partition`, and keep
    their order; of two subsets the smaller lies in the larger. A split that has no more than is
    asked for stays as it is.
    """
    splits = dict(dataset.splits)
    for name, size in sizes.items():
        have = dataset.size(name)
        if size < have:
            chosen = partition(have, (have - size) / have, seed)[0]
            splits[name] = take(splits[name], chosen)
    return dataset._replace(splits=splits)
