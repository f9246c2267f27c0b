"""Very deep convolutional networks of characters, 9 to 49 layers (Conneau et al. 2017).

Figure: accuracy on TREC 82.0 ± 1.3 % (3 seeds), naive Bayes on words 79.2 %
Time: 25 s on 1 CPU core
Command: python launch.py train vdcnn

Vectors of characters, blocks of two convolutions of 3, which double their channels as the length
halves, and dense layers. `--depth` is 9, 17, 29 or 49, `--shortcuts` adds the paper's shortcuts,
`--pooling` halves by the stride of a convolution, by k-max pooling or by max pooling. Its errors on
120,000 texts of AG News, as commonly quoted, are 9.83, 9.39 and 8.67 % by k-max pooling and 9.17,
8.88 and 8.73 % by max pooling, with 9, 17 and 29 layers. That setting is `python launch.py train
vdcnn --dataset ag_news --length 1024 --width 64 --hidden 2048 --epochs 15 --batch-size 128
--optimizer.name momentum --optimizer.learning-rate 0.01`, hours on CPUs and not measured here. The
default is small enough to train in minutes on 5,452 questions of six classes (TREC; Li, Roth 2002):
few to learn words from their letters, where naive Bayes on words is told them. `--dataset mr` and
`subj` are tested on one of ten folds: 55.3 and 83.4 % (one seed; naive Bayes 75.9 and 90.9).

The paper's Table 2 prints 2.2, 4.3, 4.6 and 7.8 million parameters of convolutions; here they are
1.6, 3.7, 4.0 and 7.2, and would be 2.1, 4.2, 4.6 and 7.7 if the first convolution of each width
read as many channels as it writes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from annotated_types import Ge

from dlfun import metrics
from dlfun.algorithms.supervised import supervised
from dlfun.config import BatchSize, Epochs, Seed
from dlfun.data import characters, sentence_sets
from dlfun.data.characters import CONNEAU
from dlfun.data.dataset import Dataset
from dlfun.experiment import Claim, Inputs, Quick, Trained
from dlfun.learner import Key, Learner
from dlfun.nn.losses import cross_entropy
from dlfun.nn.models.vdcnn import VDCNN, Pooling
from dlfun.optimizers import Optimizer, Schedule, make_optimizer

from .character_cnn.sets import bayes_accuracy, read, sentence_inputs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMULA = r"""
h \leftarrow \operatorname{ReLU}(\operatorname{BN}(w_2 * \operatorname{ReLU}(\operatorname{BN}(w_1
* h)))), \quad \text{length} \to \frac{\text{length}}{2}, \; \text{channels} \to 2 \cdot
\text{channels}
"""
CLAIMS = [
    Claim("test/accuracy", "beside Conneau et al. (2017)", at_least=0.7),
    Claim("test/naive_bayes_accuracy", "beside Wang, Manning (2012)", at_least=0.7),
]
QUICK = Quick(
    {"width": 8, "hidden": 64, "epochs": 4},
    [Claim("test/accuracy", "beside the commonest class, 27.6 %", at_least=0.4)],
)


@dataclass(frozen=True)
class Config:
    """A very deep convolutional network of characters."""

    dataset: Annotated[str, tyro.conf.arg(help=sentence_sets.HELP)] = "trec"
    length: Annotated[int, Ge(64)] = 128
    """Characters that are read of a text."""
    depth: Literal[9, 17, 29, 49] = 9
    """Convolutions."""
    shortcuts: bool = False
    """Add each block's input to its output."""
    pooling: Pooling = "max"
    """Operation that halves the length: a convolution of stride 2, k-max or max pooling."""
    width: Annotated[int, Ge(1)] = 16
    """Channels of the first blocks."""
    hidden: Annotated[int, Ge(1)] = 256
    """Units of each hidden layer."""
    epochs: Epochs = 10
    batch_size: BatchSize = 64
    optimizer: Optimizer = Optimizer(
        "momentum", learning_rate=0.01, schedule=Schedule("cosine", factor=0.0)
    )
    seed: Seed = 0


def data(config: Config) -> Dataset:
    """The characters of each sentence; fold 0 is tested on."""
    given = read(config.dataset, config.seed)
    x = characters.encode(given.sentences, CONNEAU, config.length)
    return Dataset(config.dataset, sentence_sets.splits(given, {"x": x}), given.classes)


def learner(config: Config, dataset: Dataset) -> Learner:
    """The network under cross entropy."""
    model = VDCNN(
        len(dataset.classes),
        len(CONNEAU) + 2,
        config.depth,
        config.shortcuts,
        config.pooling,
        config.width,
        config.hidden,
    )
    steps = dataset.steps_per_epoch(config.batch_size)
    return supervised(
        model,
        cross_entropy,
        make_optimizer(config.optimizer, steps, config.epochs),
        inputs=lambda x: x,
        eval_metrics=metrics.classification,
        columns=("x", "label"),
    )


def measure(trained: Trained, key: Key) -> dict[str, float]:
    """The accuracy of naive Bayes on words."""
    return {"test/naive_bayes_accuracy": bayes_accuracy(trained.config)}


def inputs(trained: Trained, items: Sequence[str]) -> Inputs:
    """Sentences, or files with one a line."""
    return sentence_inputs(items, CONNEAU, trained.config.length)


def figures(trained: Trained, rows: list[dict[str, Any]]) -> Iterator[tuple[str, "Figure"]]:
    """The accuracy against the epoch, and that of naive Bayes."""
    from .character_cnn.drawing import learning_curve

    yield "accuracy", learning_curve(rows, bayes_accuracy(trained.config))
