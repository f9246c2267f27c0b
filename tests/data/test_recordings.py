"""WAV files, what is cut off as silence, and log-mel frames."""

import logging
import wave

import numpy as np
import pytest
from scipy.fft import rfftfreq

from dlfun.data import log_mel, recordings, spoken_digit
from dlfun.errors import UserError


def write_wav(path, samples, rate=8000, width=2, channels=1):
    """A WAV file of samples in [-1, 1], with the same in each channel."""
    whole = np.repeat(np.round(samples * (2 ** (8 * width - 1) - 1)).astype(np.int64), channels)
    if width == 1:
        content = (whole + 128).astype(np.uint8).tobytes()
    else:
        content = whole.astype("<i8").view(np.uint8).reshape(-1, 8)[:, :width].tobytes()
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(content)
    return path


def tone(rate=8000, seconds=0.25, hertz=440):
    return 0.8 * np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate)


@pytest.mark.parametrize(("width", "channels"), [(1, 1), (2, 1), (2, 2), (3, 1), (4, 1)])
def test_samples_are_read_at_every_width(tmp_path, width, channels):
    path = write_wav(tmp_path / "a.wav", tone(), width=width, channels=channels)
    read = recordings.read_wav(path, 8000)
    np.testing.assert_allclose(read, tone(), atol=2.0 ** (2 - 8 * min(width, 3)))


def test_another_rate_is_resampled_with_a_note(tmp_path, caplog):
    path = write_wav(tmp_path / "a.wav", tone(44100), rate=44100)
    with caplog.at_level(logging.WARNING):
        read = recordings.read_wav(path, 8000)
    assert "resampled from 44100 to 8000" in caplog.text
    assert len(read) == 2000
    np.testing.assert_allclose(read[100:-100], tone()[100:-100], atol=0.01)


@pytest.mark.parametrize("content", [b"", b"RIFF", b"no recording at all" * 10])
def test_what_is_no_wav_file_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"a\.wav cannot be read as a WAV file: .+") as refused:
        recordings.read_wav(path, 8000)
    assert "\n" not in str(refused.value)


def test_a_wav_file_of_no_sample_is_refused(tmp_path):
    path = write_wav(tmp_path / "a.wav", np.zeros(0))
    with pytest.raises(UserError, match="has no samples"):
        recordings.read_wav(path, 8000)


def test_a_silent_file_and_one_that_is_cut_off_are_noted(tmp_path, caplog):
    silent = write_wav(tmp_path / "silent.wav", np.zeros(100))
    cut = write_wav(tmp_path / "cut.wav", tone())
    cut.write_bytes(cut.read_bytes()[:2044])
    with caplog.at_level(logging.WARNING):
        recordings.read_wav(silent, 8000)
        assert len(recordings.read_wav(cut, 8000)) == 1000
    assert "silent.wav is silent" in caplog.text
    assert "cut.wav ends early: it has fewer than its 2000 samples" in caplog.text


@pytest.mark.parametrize("rate", [1, 2_000_000])
def test_an_absurd_rate_is_refused(tmp_path, rate):
    path = write_wav(tmp_path / "a.wav", tone(), rate=rate)
    with pytest.raises(UserError, match="expected 1,000 to 1,000,000 samples a second"):
        recordings.read_wav(path, 8000)


def test_silence_and_gain_change_no_frame():
    def frames(samples):
        return log_mel.log_mel(recordings.trim(samples), 8000, 256, 128, 40)

    rng = np.random.default_rng(0)
    spoken = tone().astype(np.float32) * rng.uniform(0.1, 1, 2000).astype(np.float32)
    noise = rng.uniform(-1, 1, 1234).astype(np.float32) * 0.01 * np.abs(spoken).max()
    silent = np.concatenate([np.zeros(777, np.float32), noise, spoken, noise[:99]])
    np.testing.assert_array_equal(frames(silent), frames(spoken))
    np.testing.assert_array_equal(frames(spoken * 0.25), frames(spoken))


def test_a_recording_of_zeros_has_a_frame():
    made = log_mel.log_mel(recordings.trim(np.zeros(500, np.float32)), 8000, 256, 128, 40)
    np.testing.assert_array_equal(made, np.zeros((1, 40)))


def test_triangles_sum_to_one_between_the_outer_centres():
    bank = log_mel.filterbank(40, 1024, 8000)
    mel = log_mel.hertz_to_mel(rfftfreq(1024, 1 / 8000))
    step = log_mel.hertz_to_mel(np.array([4000.0]))[0] / 41
    between = (mel >= step) & (mel <= 40 * step)
    assert between.sum() > 400
    np.testing.assert_allclose(bank[between].sum(axis=1), 1, rtol=1e-12)
    assert bank.min() == 0
    assert bank.max() <= 1


def test_the_mel_scale_has_1000_mel_at_1000_hertz_and_an_inverse():
    hertz = np.array([0.0, 1000.0, 4000.0])
    assert log_mel.hertz_to_mel(hertz)[1] == pytest.approx(1000, abs=0.1)
    np.testing.assert_allclose(log_mel.mel_to_hertz(log_mel.hertz_to_mel(hertz)), hertz)


def test_two_frames_by_hand():
    """Four samples a frame, two channels: each step written out."""
    samples = np.array([0.0, 1.0, 0.0, -1.0, 0.5, 0.25], np.float32)
    made = log_mel.log_mel(samples, rate=8, length=4, hop=2, channels=2)
    window = np.array([0.0, 0.5, 1.0, 0.5])
    bank = log_mel.filterbank(2, 4, 8)
    energies = []
    for frame in (samples[:4], samples[2:6]):
        a, b, c, d = frame * window
        # X_k = Σ x_n i^(-kn), for the frequencies 0, 2 and 4 hertz.
        power = np.array([(a + b + c + d) ** 2, (a - c) ** 2 + (d - b) ** 2, (a - b + c - d) ** 2])
        energies.append(power @ bank)
    logs = np.log(np.array(energies) / np.max(energies) + log_mel.FLOOR)
    np.testing.assert_allclose(made, logs - logs.mean(axis=0), atol=1e-5)


@pytest.mark.parametrize(("size", "count"), [(1, 1), (256, 1), (257, 2), (384, 2), (385, 3)])
def test_frames_cover_every_sample(size, count):
    made = log_mel.frames(np.arange(1, size + 1.0), 256, 128)
    assert made.shape == (count, 256)
    assert made.max() == size


def test_twice_the_speed_is_half_as_long_and_an_octave_higher():
    fast = recordings.change_speed(tone().astype(np.float32), 2.0)
    assert len(fast) == 1000
    assert np.abs(np.fft.rfft(fast)).argmax() == 110  # Of 8 hertz each: 880 hertz.


def test_a_folder_of_ones_own(tmp_path):
    for kind in ("yes", "no"):
        (tmp_path / kind).mkdir()
        for n in range(3):
            write_wav(tmp_path / kind / f"{n}.wav", tone())
    made = spoken_digit.load(f"wav:{tmp_path}")
    assert made.classes == ("no", "yes")
    assert [(item.label, item.test) for item in made.items] == [
        *((0, True), (0, False), (0, False)),
        *((1, True), (1, False), (1, False)),
    ]
    (tmp_path / "maybe").mkdir()
    with pytest.raises(UserError, match="maybe has fewer than 2 WAV files"):
        spoken_digit.load(f"wav:{tmp_path}")
    with pytest.raises(UserError, match="is no folder"):
        spoken_digit.load(f"wav:{tmp_path}/nothing")
