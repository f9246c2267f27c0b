"""The support vector machine beside the networks that understand spoken digits."""

import numpy as np
import pytest

from dlfun.experiment import Trained
from experiments.recurrent import spoken_digits, spoken_digits_speakers
from experiments.recurrent.spoken_digits.features import CHANNELS, pad
from experiments.recurrent.spoken_digits.support_vectors import (
    FRAMES,
    PENALTY,
    stretched,
    svm_predictions,
)


def test_machines_predict_as_scikit_learns():
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.svm import SVC

    rng = np.random.default_rng(0)
    centres, label = rng.normal(size=(4, 6)), rng.integers(0, 4, 500)
    x = (centres[label] + rng.normal(size=(500, 6))).astype(np.float32)
    train, test = x[:300], x[300:]
    predicted = svm_predictions(train, label[:300], test)
    machine = OneVsRestClassifier(SVC(C=PENALTY, gamma=1 / 6))
    mean, deviation = train.mean(0), train.std(0)
    machine.fit((train - mean) / deviation, label[:300])
    theirs = machine.predict((test - mean) / deviation)
    assert (predicted == theirs).mean() > 0.95
    assert (predicted == label[300:]).mean() > (theirs == label[300:]).mean() - 0.03
    assert 0.5 < (predicted == label[300:]).mean() < 0.99


def test_recordings_are_stretched_to_one_length():
    ramps = [np.linspace(0, 1, n)[:, None] * np.ones(CHANNELS, np.float32) for n in (5, 40, 1)]
    long, short = stretched(pad(ramps)), stretched(pad(ramps[:1]))
    np.testing.assert_array_equal(long[:1], short)  # Padding is not read.
    expected = np.linspace(0, 1, FRAMES)[:, None] * np.ones(CHANNELS)
    np.testing.assert_allclose(long[:2].reshape(2, FRAMES, CHANNELS), [expected] * 2, atol=1e-3)
    assert not long[2].any()


@pytest.mark.parametrize("experiment", [spoken_digits, spoken_digits_speakers])
def test_it_is_measured_beside_the_network(small_mnist, experiment):
    config = experiment.Config()
    measured = experiment.measure(Trained(config, experiment.data(config), None, None, 0), None)
    assert measured["test/svm_accuracy"] > 0.3  # Of ten tones.
