"""Recurrent networks read movie reviews and say whether they praise, beside naive Bayes.

Figure: test accuracy ≥ 73 % over ten folds (77.7 ± 0.2 %, 3 seeds); naive Bayes 78.0 ± 0.2 %
Time: 1 min on 2 CPU cores
Command: python launch.py train sentiment

Many to one [T2]: an embedding of 64, an LSTM of 128 that reads a sentence word by word, and a
dense layer on its last state, on 10,662 sentences (Pang, Lee 2005), under Adam with dropout. Ten
networks are trained side by side, each without one fold, on which it is tested, as in Kim (2014):
so every sentence is scored once, by a network that has not seen it. `--networks rnn gru lstm
bidirectional_lstm` trains these four on the same folds and batches (one seed: RNN 62.3 %, GRU
77.8 %, both ways 77.7 %). Beside them stands naive Bayes, which counts words and knows no order of
them. The vocabulary is that of all sentences; their labels are not read for it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from annotated_types import Ge

from dlfun.algorithms.naive_bayes import fold_accuracies
from dlfun.algorithms.sentence_classifier import sentence_classifier, with_mean_prediction
from dlfun.config import BatchSize, Dropout, Epochs, Seed
from dlfun.data import sentence_sets, text
from dlfun.data.dataset import Dataset, take
from dlfun.data.order import by_length
from dlfun.errors import UserError, unknown
from dlfun.experiment import Claim, Inputs, Quick, Stage, Trained
from dlfun.learner import Key, Learner
from dlfun.optimizers import Optimizer, make_optimizer
from dlfun.transforms import compare, cross_validated

from .model import SentenceClassifier

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMULA = r"""
h_t = \operatorname{LSTM}(E_{w_t}, h_{t-1}), \quad p(y \mid w) = \operatorname{softmax}(V h_T +
c)_y
"""
CLAIMS = [
    Claim("test/lstm_accuracy", "from scratch; CNN-rand 76.1 % (Kim 2014)", at_least=0.73),
    Claim("test/naive_bayes_accuracy", "Wang, Manning (2012)", at_least=0.77),
]
QUICK = Quick(
    {"folds": 2, "epochs": 2, "embedding": 32, "hidden": 32, "optimizer.learning_rate": 5e-3},
    [Claim("test/lstm_accuracy", "half of the sentences", at_least=0.65)],
)
NETWORKS = {
    "rnn": "RNN",
    "gru": "GRU",
    "lstm": "LSTM",
    "bidirectional_lstm": "bidirectional LSTM",
}
"""The networks by name, and what a figure calls them."""


@dataclass(frozen=True)
class Config:
    """Recurrent networks on sentences of two or more classes."""

    dataset: str = "mr"
    """mr, the movie reviews, or text:PATH, a folder with a file CLASS.txt of each class, a sentence
    a line."""
    folds: Annotated[int, Ge(2)] = 10
    """Folds, each of them left out of the training of one network."""
    min_count: Annotated[int, Ge(1)] = 2
    """Occurrences below which a word is unknown."""
    networks: tuple[Literal["rnn", "gru", "lstm", "bidirectional_lstm"], ...] = ("lstm",)
    """Networks that are compared; the bidirectional one reads each sentence backwards, too."""
    embedding: Annotated[int, Ge(1)] = 64
    """Numbers that stand for a word."""
    hidden: Annotated[int, Ge(1)] = 128
    """Units of the recurrent layer."""
    dropout: Dropout = 0.5
    """Rate of dropout of the words' numbers and of the last state."""
    epochs: Epochs = 3
    batch_size: BatchSize = 64
    optimizer: Optimizer = Optimizer(learning_rate=2e-3, clip_norm=1.0)
    seed: Seed = 0


def read(config: Config) -> sentence_sets.SentenceSet:
    """The sentences, their classes and folds. Raises UserError on an unknown dataset."""
    if config.dataset != "mr" and not config.dataset.startswith(text.PREFIX):
        raise unknown("dataset", config.dataset, ["mr"], f"{text.PREFIX}PATH")
    return sentence_sets.load(config.dataset, config.folds, config.seed)


def vocabulary(config: Config) -> tuple[str, ...]:
    """The known words, by their numbers."""
    return text.vocabulary(sentence_sets.by_words(read(config).sentences), config.min_count)


def data(config: Config) -> Dataset:
    """The sentences and their folds, drawn by the seed: all are "train", and all are "test"."""
    given = read(config)
    words = sentence_sets.by_words(given.sentences)
    number = text.numbers(text.vocabulary(words, config.min_count))
    splits = sentence_sets.splits(given, text.encode(words, number))
    order = np.argsort(splits["train"]["length"], kind="stable")
    splits["train"] = take(splits["train"], order)
    return Dataset(config.dataset, splits, given.classes, by_length(splits["train"]["length"]))


def learner(config: Config, dataset: Dataset) -> Learner:
    """The networks for each fold, under cross entropy; what they predict is the mean of all."""
    if not config.networks:
        raise UserError(f"--networks names none: expected some of {', '.join(NETWORKS)}")
    steps = dataset.steps_per_epoch(config.batch_size)
    optimizer = make_optimizer(config.optimizer, steps, config.epochs)

    def network(name: str) -> Learner:
        model = SentenceClassifier(
            int(dataset.splits["train"]["x"].max()) + 1,
            len(dataset.classes),
            name.removeprefix("bidirectional_"),
            name.startswith("bidirectional_"),
            config.embedding,
            config.hidden,
            config.dropout,
        )
        return cross_validated(sentence_classifier(model, optimizer), config.folds)

    return with_mean_prediction(compare({name: network(name) for name in config.networks}))


def measure(trained: Trained, key: Key) -> dict[str, float]:
    """The accuracy of naive Bayes on the same folds."""
    split = trained.dataset.splits["test"]
    counted = fold_accuracies(split["x"], split["label"], split["fold"])
    return {"test/naive_bayes_accuracy": float(np.mean(counted))}


def inputs(trained: Trained, items: Sequence[str]) -> Inputs:
    """Sentences, or files with one a line."""
    sentences = text.sentences(items)
    number = text.numbers(vocabulary(trained.config))
    return Inputs(sentences, text.encode(sentence_sets.by_words(sentences), number))


def figures(trained: Trained, rows: list[dict[str, Any]]) -> Iterator[tuple[str, "Figure"]]:
    """The accuracy of each network on each fold against that of naive Bayes."""
    from dlfun.train import loop

    from .drawing import by_fold

    config, split = trained.config, trained.dataset.splits["test"]
    counted = fold_accuracies(split["x"], split["label"], split["fold"])
    stage = Stage(trained.learner, trained.dataset, config.epochs, config.batch_size)
    measured = loop.evaluate(loop.Work(stage, (config.seed,)), trained.state)["test"]
    accuracies = {NETWORKS[name]: measured[f"{name}_fold_accuracy"] for name in config.networks}
    yield "folds", by_fold(accuracies, counted)
