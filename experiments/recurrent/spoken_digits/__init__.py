"""A network of long short-term memory understands spoken digits of unequal lengths [T1 3.3.1].

Figure: test accuracy ≥ 97 % (98.67 ± 0.33 %, three seeds), an SVM's 98.33 %
Time: 50 s on 1 CPU core
Command: python launch.py train spoken_digits

An LSTM reads the log-mel frames of a recording both ways; the mean of its outputs gives the digit.
Recordings of similar length make a batch, and what fills it up is masked. Six speakers are in both
splits, so the figure says nothing of a seventh: `spoken_digits_speakers` does. Silence at the ends
is cut off before frames are made, from the first to the last sample louder than 2 % of the loudest:
what is added below that changes no bit of the answer. So does no gain. `--dataset wav:FOLDER` reads
WAV files of one's own, a folder a class; `predict RUN a.wav` reads one. Beside the network stands
an SVM on the same frames, resampled to 16 a recording: 98.3 %, so this split does not need a
network that reads sequences.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge, Gt

from dlfun.algorithms.supervised import supervised
from dlfun.config import BatchSize, Dropout, Epochs, Seed, Static
from dlfun.data import spoken_digit
from dlfun.data.dataset import Dataset
from dlfun.data.recordings import read_wav
from dlfun.experiment import Claim, Inputs, Objective, Quick, Trained
from dlfun.learner import Key, Learner
from dlfun.nn.losses import cross_entropy
from dlfun.optimizers import Optimizer, Schedule, make_optimizer

from . import features
from .network import FrameClassifier
from .support_vectors import MOST, stretched, svm_predictions

SVM = Claim("test/svm_accuracy", "scikit-learn's SVC on log-mels", printed=0.987, at_least=0.97)
FORMULA = r"""
p(y \mid x) = \operatorname{softmax}\left(V \frac{1}{T} \sum_{t=1}^{T} [\overrightarrow{h}_t;
\overleftarrow{h}_t] + c\right)_y
"""
CLAIMS = [Claim("test/accuracy", "beside an SVM on log-mels", at_least=0.97), SVM]
QUICK = Quick(
    {"epochs": 2, "hidden": 32},
    [Claim("test/accuracy", "beside an SVM on log-mels", at_least=0.5), SVM],
)
OBJECTIVE = Objective("accuracy", "max")


@dataclass(frozen=True)
class Config:
    """A recurrent classifier of recordings."""

    cell: Literal["rnn", "lstm", "gru"] = "lstm"
    """Recurrent cell."""
    hidden: Annotated[int, Ge(1)] = 64
    """Units of each recurrent layer, each way."""
    layers: Annotated[int, Ge(1)] = 1
    """Recurrent layers."""
    dropout: Dropout = 0.3
    """Share of outputs dropped."""
    speeds: tuple[Annotated[float, Gt(0), Static], ...] = (1.0,)
    """Speeds at which the training recordings are heard: a voice is higher by the same factor."""
    epochs: Epochs = 6
    batch_size: BatchSize = 64
    optimizer: Optimizer = Optimizer(
        learning_rate=5e-3, clip_norm=1.0, schedule=Schedule("cosine", 0.0)
    )
    """Optimizer."""
    dataset: str = spoken_digit.NAME
    """The recordings: spoken_digit, or wav:FOLDER."""
    seed: Seed = 0


def data(config: Config) -> Dataset:
    """Frames of the recordings, split as they come."""
    return features.dataset(config.dataset, config.speeds)


def learner(config: Config, dataset: Dataset) -> Learner:
    """The recurrent network under cross entropy."""
    classes, steps = len(dataset.classes), dataset.steps_per_epoch(config.batch_size)
    model = FrameClassifier(config.cell, config.hidden, config.layers, classes, config.dropout)
    optimizer = make_optimizer(config.optimizer, steps, config.epochs)
    return supervised(model, cross_entropy, optimizer, columns=("frames", "label"))


def measure(trained: Trained, key: Key) -> dict[str, float]:
    """The test accuracy of a support vector machine, where it can be trained on so many."""
    train, test = (trained.dataset.splits[name] for name in ("train", "test"))
    if len(train["label"]) > MOST:
        return {}
    predicted = svm_predictions(
        stretched(train["frames"]), train["label"], stretched(test["frames"])
    )
    return {"test/svm_accuracy": float((predicted == test["label"]).mean())}


def inputs(trained: Trained, items: Sequence[str]) -> Inputs:
    """Frames of WAV files."""
    read = [read_wav(Path(item).expanduser(), spoken_digit.RATE) for item in items]
    return Inputs(items, {"frames": features.pad([features.frames(samples) for samples in read])})
