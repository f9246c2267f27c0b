"""A speaker who was never heard is understood less well: each of six is left out in turn.

Figure: test accuracy ≥ 67 %, the mean of six speakers (measured with one seed: 82.0 %)
Time: 4 min on one CPU core
Command: python launch.py train spoken_digits_speakers

The network of `spoken_digits`, six times side by side: member k is trained on five of the speakers,
whose recordings it hears at several speeds, and tested on the sixth, so each recording is tested
once, by the member that never heard its speaker. Speed changes the pitch of a voice, which is much
of what tells speakers apart; gain and silence at the ends change no frame. An SVM on log-mels has
66.7 % (george 57, jackson 77, lucas 55, nicolas 63, theo 76, yweweler 72).
"""

from dlfun.data.dataset import Dataset
from dlfun.experiment import Claim, Objective, Quick
from dlfun.learner import Learner
from dlfun.transforms import leave_out

from . import spoken_digits
from .spoken_digits import Config, features

__all__ = ["CLAIMS", "DEFAULT", "OBJECTIVE", "QUICK", "Config", "data", "learner"]

SOURCE = "an SVM on log-mels: 66.7 %"
CLAIMS = [Claim("test/accuracy", SOURCE, at_least=0.67)]
QUICK = Quick(
    {"epochs": 1, "hidden": 32, "speeds": (1.0,)}, [Claim("test/accuracy", SOURCE, at_least=0.2)]
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
