"""Log-mel frames: the energy of a sound by time and by frequency as the ear divides it."""

import functools

import numpy as np
from jaxtyping import Float
from scipy.fft import rfft, rfftfreq
from scipy.signal.windows import hann

FLOOR = 1e-4
"""Share of the loudest energy of a recording that is added to each before the logarithm."""


def hertz_to_mel(hertz: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """HTK's mel scale: 2595 log₁₀(1 + f/700) (O'Shaughnessy 1987)."""
    return 2595 * np.log10(1 + hertz / 700)


def mel_to_hertz(mel: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """The inverse of `hertz_to_mel`."""
    return 700 * (10 ** (mel / 2595) - 1)


@functools.lru_cache(maxsize=8)
def filterbank(
    channels: int, size: int, rate: int, low: float = 0.0
) -> Float[np.ndarray, "frequencies channels"]:
    """Triangles over the frequencies of a transform of `size` samples, as HTK's.

    The centres of neighbouring triangles are equally far apart in mel, from `low` hertz to half the
    rate, and each falls to 0 at its neighbours' centres: between the first and the last centre the
    triangles sum to 1 at every frequency.
    """
    first, last = hertz_to_mel(np.array([low, rate / 2]))
    centres = np.linspace(first, last, channels + 2)
    mel = hertz_to_mel(rfftfreq(size, 1 / rate))[:, None]
    step = centres[1] - centres[0]
    return np.maximum(0, 1 - np.abs(mel - centres[1:-1]) / step)


def frames(
    samples: Float[np.ndarray, " n"], length: int, hop: int
) -> Float[np.ndarray, "frames length"]:
    """Pieces of `length` samples, one every `hop`; the last is filled up with zeros."""
    count = 1 + max(0, -(-(len(samples) - length) // hop))
    padded = np.pad(
        samples, (0, (count - 1) * hop + length - min(len(samples), length + (count - 1) * hop))
    )
    return padded[np.arange(count)[:, None] * hop + np.arange(length)]


def log_mel(
    samples: Float[np.ndarray, " n"], rate: int, length: int, hop: int, channels: int
) -> Float[np.ndarray, "frames channels"]:
    """log(E + floor) of the energy E in each mel channel of each frame, less its mean over frames.

    E sums |X|² of the transform of a frame under a Hann window. The floor is `FLOOR` of the largest
    E, and the mean of each channel is removed: so the loudness of a recording, and a filter on all
    of it such as a microphone's, change nothing.
    """
    cut = frames(samples, length, hop) * hann(length, sym=False)
    energy = np.square(np.abs(rfft(cut, axis=1))) @ filterbank(channels, length, rate)
    largest = energy.max()
    logs = np.log(energy / (largest if largest > 0 else 1) + FLOOR)
    return (logs - logs.mean(axis=0)).astype(np.float32)
