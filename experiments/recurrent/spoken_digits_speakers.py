"""A speaker who was never heard is understood less well: each of six is left out in turn.

Figure: test accuracy ≥ 67 %, the mean of six speakers (measured: 81.5 %), an SVM's 79 %
Time: 4 min on one CPU core
Command: python launch.py train spoken_digits_speakers

The network of `spoken_digits`, six times side by side: member k is trained on five of the speakers,
whose recordings it hears at several speeds, and tested on the sixth, so each recording is tested
once, by the member that never heard its speaker. Speed changes the pitch of a voice, which is much
of what tells speakers apart; gain and silence at the ends change no frame. Beside it stands an SVM
on the same frames, at one speed, resampled to 16 a recording: 79.0 % (george 64, jackson 84, lucas
77, nicolas 77, theo 88, yweweler 84).
"""

import numpy as np

from dlfun.data.dataset import Dataset
from dlfun.experiment import Claim, Objective, Quick, Trained
from dlfun.learner import Key, Learner
from dlfun.transforms import leave_out

from . import spoken_digits
from .spoken_digits import Config, features
from .spoken_digits.support_vectors import MOST, stretched, svm_predictions

__all__ = ["CLAIMS", "DEFAULT", "OBJECTIVE", "QUICK", "Config", "data", "learner", "measure"]

SOURCE = "beside an SVM on log-mels"
SVM = Claim("test/svm_accuracy", "scikit-learn's SVC on log-mels", printed=0.667, at_least=0.7)
FORMULA = r"""
\text{accuracy} = \frac{1}{6} \sum_{k=1}^{6} \text{accuracy on speaker } k \text{ of the network }
\theta_{-k}

p(y \mid x) = \operatorname{softmax}\left(V \frac{1}{T} \sum_{t=1}^{T} [\overrightarrow{h}_t;
\overleftarrow{h}_t] + c\right)_y
"""
CLAIMS = [Claim("test/accuracy", SOURCE, at_least=0.67), SVM]
QUICK = Quick(
    {"epochs": 1, "hidden": 32, "speeds": (1.0,)},
    [Claim("test/accuracy", SOURCE, at_least=0.2), SVM],
)
OBJECTIVE = Objective("accuracy", "max")
DEFAULT = Config(speeds=(0.85, 1.0, 1.15), hidden=48, epochs=3)


def data(config: Config) -> Dataset:
    """Frames of all recordings, in both splits: `leave_out` divides them by speaker."""
    return features.dataset(config.dataset, config.speeds, whole=True)


def learner(config: Config, dataset: Dataset) -> Learner:
    """The network for each speaker who is left out."""
    speakers = 1 + int(dataset.splits["train"]["speaker"].max())
    return leave_out(spoken_digits.learner(config, dataset), "speaker", speakers)


def measure(trained: Trained, key: Key) -> dict[str, float]:
    """The accuracy of support vector machines, each trained without one speaker and tested on him.

    They hear the recordings at their own speed. Of more than they can be trained on, nothing.
    """
    split = trained.dataset.splits["test"]
    x, label, speaker = stretched(split["frames"]), split["label"], split["speaker"]
    if len(x) > MOST:
        return {}
    hits = []
    for number in range(int(speaker.max()) + 1):
        out = speaker == number
        hits += [*(svm_predictions(x[~out], label[~out], x[out]) == label[out])]
    return {"test/svm_accuracy": float(np.mean(hits))}
