"""A bag of words classifies sentences well, and does not know which words are alike.

Figure: accuracy MR 78.0 ± 0.2 %, SUBJ 92.6 ± 0.1 % (naive Bayes), TREC 84.3 ± 0.1 % (logistic)
Time: 13 s on 1 CPU core
Command: python launch.py train bag_of_words

Logistic regression on the words of a sentence, each counted once ("one_hot") or as often as it
occurs ("counted"), beside naive Bayes, on three sets: 10,662 movie reviews that praise or do not
(MR; Pang, Lee 2005) and 10,000 sentences that are subjective or not (SUBJ; Pang, Lee 2004), both in
ten folds, and 500 test questions by what they ask for (TREC; Li, Roth 2002). Networks have to beat
these figures (Wang, Manning 2012). What they can learn, and a bag cannot: the one-hot vectors of
two words have a cosine of 0 however alike the words are, so what is learned of one says nothing of
the other.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from annotated_types import Ge

from dlfun.algorithms.naive_bayes import fold_accuracies
from dlfun.config import BatchSize, Epochs, Seed
from dlfun.data import word_similarity
from dlfun.data.dataset import Dataset
from dlfun.experiment import Claim, Objective, Quick, Trained
from dlfun.learner import Key, Learner
from dlfun.optimizers import Optimizer, Schedule, make_optimizer
from dlfun.transforms import compare, cross_validated

from .logistic import logistic_regression, of_set
from .sets import SETS, columns, one_hot_cosine

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SOURCE = "beside Wang, Manning (2012)"
BAYES = Claim("test/mr_naive_bayes_accuracy", "Wang, Manning (2012)", at_least=0.77)
COSINE = Claim("test/synonym_cosine", "by construction", at_most=0.0)
FORMULA = r"""
p(y \mid x) = \operatorname{softmax}(W x + b)_y, \quad x_w = \text{occurrences of the word } w
"""
CLAIMS = [
    BAYES,
    Claim("test/subj_naive_bayes_accuracy", "Wang, Manning (2012)", at_least=0.915),
    Claim("test/mr_one_hot_accuracy", SOURCE, at_least=0.76),
    Claim("test/subj_one_hot_accuracy", SOURCE, at_least=0.9),
    Claim("test/trec_one_hot_accuracy", SOURCE, at_least=0.82),
    COSINE,
]
QUICK = Quick({"folds": 2, "epochs": 3}, [COSINE])
OBJECTIVE = Objective("mr_one_hot_accuracy", "max")
ALIKE = 8.0
"""SimLex's score, of 10, from which two words are near-synonyms."""


@dataclass(frozen=True)
class Config:
    """Bags of words of sentences."""

    folds: Annotated[int, Ge(2)] = 10
    """Folds of MR and of SUBJ; TREC comes with a test set."""
    min_count: Annotated[int, Ge(1)] = 2
    """Occurrences in a set below which a word is unknown."""
    epochs: Epochs = 10
    batch_size: BatchSize = 128
    optimizer: Optimizer = Optimizer(
        learning_rate=1e-2, l2=1e-4, schedule=Schedule("cosine", factor=0.0)
    )
    seed: Seed = 0


def data(config: Config) -> Dataset:
    """The sentences of all sets with their folds, drawn by the seed: all are "train" and "test"."""
    split = columns(config.folds, config.min_count, config.seed)
    return Dataset("mr, subj and trec", {"train": split, "test": split})


def learner(config: Config, dataset: Dataset) -> Learner:
    """Logistic regression on one-hot and on counted words, for each fold of each set."""
    train, steps = dataset.splits["train"], dataset.steps_per_epoch(config.batch_size)
    optimizer = make_optimizer(config.optimizer, steps, config.epochs)
    learners = {}
    for number, name in enumerate(SETS):
        in_set = train["set"] == number
        words, classes = (int(train[column][in_set].max()) + 1 for column in ("counted", "label"))
        folds = 1 if name == "trec" else config.folds
        for column in ("one_hot", "counted"):
            model = logistic_regression(column, words, classes, optimizer)
            learners[f"{name}_{column}"] = of_set(cross_validated(model, folds), number)
    return compare(learners)


def naive_bayes(dataset: Dataset) -> dict[str, list[float]]:
    """The accuracy of naive Bayes on each fold of each set, and on TREC's test set."""
    split, accuracies = dataset.splits["test"], {}
    for number, name in enumerate(SETS):
        in_set = split["set"] == number
        of_folds = fold_accuracies(*(split[c][in_set] for c in ("counted", "label", "fold")))
        # TREC's training set is its fold 1.
        accuracies[name] = of_folds[:1] if name == "trec" else of_folds
    return accuracies


def measure(trained: Trained, key: Key) -> dict[str, float]:
    """The accuracies of naive Bayes, and the mean cosine of near-synonyms as one-hot vectors."""
    counted = naive_bayes(trained.dataset).items()
    measured = {f"test/{n}_naive_bayes_accuracy": float(np.mean(folds)) for n, folds in counted}
    pairs = [(a, b) for a, b, score in word_similarity.load().pairs["simlex"] if score >= ALIKE]
    return measured | {"test/synonym_cosine": one_hot_cosine(pairs)}


def figures(trained: Trained, rows: list[dict[str, Any]]) -> Iterator[tuple[str, "Figure"]]:
    """The accuracy of each method on each set."""
    from .drawing import by_set

    last = rows[-1]
    bayes = {n: float(np.mean(folds)) for n, folds in naive_bayes(trained.dataset).items()}
    learned = {
        name: {way: last[f"{name}_{way}_accuracy"] for way in ("one_hot", "counted")}
        for name in SETS
    }
    accuracies = {n: {"naive Bayes": bayes[n]} | learned[n] for n in SETS}
    yield "accuracies", by_set(accuracies, trained.config.folds)
