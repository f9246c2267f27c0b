"""Log-mel frames of recordings as columns of a batch."""

import functools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from dlfun.data import spoken_digit
from dlfun.data.dataset import Dataset
from dlfun.data.log_mel import log_mel
from dlfun.data.order import by_length
from dlfun.data.recordings import change_speed, trim
from dlfun.data.spoken_digit import RATE, Recording
from dlfun.errors import UserError

CHANNELS, LENGTH, HOP = 40, 256, 128
"""Mel channels; samples in a frame, and from one frame to the next: 32 and 16 ms."""


def frames(samples: Float[np.ndarray, " n"]) -> Float[np.ndarray, "frames channels"]:
    """Log-mel frames of a recording without the silence at its ends."""
    return log_mel(trim(samples), RATE, LENGTH, HOP, CHANNELS)


def pad(
    sequences: Sequence[Float[np.ndarray, "_ channels"]],
) -> Float[np.ndarray, "n longest channels_and_one"]:
    """Frames as one array of float16, filled up with zeros; a last channel is 1 where one is."""
    longest = max(map(len, sequences))
    padded = np.zeros((len(sequences), longest, CHANNELS + 1), np.float16)
    for row, sequence in zip(padded, sequences, strict=True):
        row[: len(sequence), :CHANNELS] = sequence
        row[: len(sequence), CHANNELS] = 1
    return padded


def columns(items: Sequence[Recording], speeds: Sequence[float]) -> dict[str, np.ndarray]:
    """Frames, label and speaker of each recording at each speed; a speed of 1 is as it is."""
    made = [
        frames(item.samples if speed == 1 else change_speed(item.samples, speed))
        for speed in speeds
        for item in items
    ]
    return {
        "frames": pad(made),
        "label": np.array([item.label for item in items] * len(speeds), np.int32),
        "speaker": np.array([item.speaker for item in items] * len(speeds), np.int32),
    }


@functools.lru_cache(maxsize=2)
def dataset(name: str, speeds: tuple[float, ...], whole: bool = False) -> Dataset:
    """Training recordings at several speeds, in batches of similar length, and test recordings.

    Both splits are `whole`, to be divided by speaker, or as the recordings come. The last results
    are kept, for a command reads them for each seed.

    Raises:
        UserError: as `spoken_digit.load`; or the recordings do not say who speaks, if `whole`.
    """
    recordings = spoken_digit.load(name)
    if whole and len(recordings.speakers) < 2:
        raise UserError(f"{name} does not say who speaks: train spoken_digits on it")
    train = [item for item in recordings.items if whole or not item.test]
    test = [item for item in recordings.items if whole or item.test]
    splits = {"train": columns(train, speeds), "test": columns(test, (1.0,))}
    lengths = splits["train"]["frames"][..., -1].sum(axis=1, dtype=np.int64)
    return Dataset(recordings.name, splits, recordings.classes, by_length(lengths))
