"""Recordings: samples of WAV files, resampled to one rate, and cut to what is not silent."""

import io
import logging
import wave
from fractions import Fraction
from pathlib import Path

import numpy as np
from jaxtyping import Float
from scipy.signal import resample_poly

from dlfun.errors import UserError

SILENCE = 0.02
"""Share of a recording's largest amplitude up to which a sample at its ends is silent."""
EXPECTED = "expected integers of 8, 16, 24 or 32 bits"
RATES = 1_000, 1_000_000
"""Fewest and most samples a second of a file."""
_log = logging.getLogger(__name__)


def read_wav(file: Path, rate: int, content: bytes | None = None) -> Float[np.ndarray, " samples"]:
    """Samples of a WAV file in [-1, 1], the mean of its channels, at `rate` samples a second.

    A file of another rate is resampled by a polyphase filter, and a note says so.

    Args:
        file: the path, for messages where `content` is given.
        rate: samples a second of the result.
        content: the bytes of the file, if they have been read already.

    Raises:
        UserError: the file cannot be read, is no WAV file of 8, 16, 24 or 32 bit integers, or has
            no samples.
    """
    try:
        content = file.read_bytes() if content is None else content
        with wave.open(io.BytesIO(content)) as recording:
            channels, width = recording.getnchannels(), recording.getsampwidth()
            own_rate = recording.getframerate()
            count = recording.getnframes()
            data = recording.readframes(count)
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror or error}") from error
    except (EOFError, wave.Error) as error:
        reason = str(error) or "it ends early"
        raise UserError(f"{file} cannot be read as a WAV file: {reason}; {EXPECTED}") from error
    if width not in (1, 2, 3, 4):
        raise UserError(f"{file} has samples of {8 * width} bits; {EXPECTED}")
    if not RATES[0] <= own_rate <= RATES[1]:
        raise UserError(
            f"{file}: expected {RATES[0]:,} to {RATES[1]:,} samples a second, got {own_rate:,}"
        )
    if len(data) < count * width * channels:
        _log.warning("%s ends early: it has fewer than its %d samples", file, count)
    samples = _decode(data[: len(data) // (width * channels) * width * channels], width)
    if not samples.size:
        raise UserError(f"{file} has no samples")
    if not samples.any():
        _log.warning("%s is silent", file)
    samples = samples.reshape(-1, channels).mean(axis=1)
    if own_rate != rate:
        _log.warning("%s: resampled from %d to %d samples a second", file, own_rate, rate)
        samples = resample(samples, rate / own_rate)
    return samples


def _decode(data: bytes, width: int) -> Float[np.ndarray, " samples"]:
    """Little-endian integers as floats in [-1, 1]; those of 8 bits are unsigned."""
    if width == 1:
        return (np.frombuffer(data, np.uint8) - np.float32(128)) / np.float32(128)
    if width == 3:  # The bytes become the upper three of an integer of 32 bits.
        whole = np.zeros((len(data) // 3, 4), np.uint8)
        whole[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        data, width = whole.tobytes(), 4
    scale = np.float32(2.0 ** (8 * width - 1))
    return np.frombuffer(data, f"<i{width}").astype(np.float32) / scale


def resample(samples: Float[np.ndarray, " n"], factor: float) -> Float[np.ndarray, " m"]:
    """The same sound in `factor` times as many samples, to a ratio of integers up to 1000."""
    ratio = Fraction(factor).limit_denominator(1000)
    return resample_poly(samples, ratio.numerator, ratio.denominator).astype(np.float32)


def change_speed(samples: Float[np.ndarray, " n"], speed: float) -> Float[np.ndarray, " m"]:
    """The recording `speed` times as fast, and higher by the same factor."""
    return resample(samples, 1 / speed)


def trim(samples: Float[np.ndarray, " n"]) -> Float[np.ndarray, " m"]:
    """The samples from the first to the last that is louder than `SILENCE` of the loudest.

    Silence before and after, up to that loudness, changes nothing of the result. A recording of
    zeros becomes one sample.
    """
    loud = np.flatnonzero(np.abs(samples) > SILENCE * np.abs(samples).max())
    return samples[loud[0] : loud[-1] + 1] if len(loud) else samples[:1]
