"""A convolution over word vectors and a maximum over time classify sentences (Kim 2014).

Figure: MR: rand 76.4 ± 0.2 % (3 seeds, trained alone), nonstatic 75.0 % (1); naive Bayes 78.1 %
Time: 25 min on 1 CPU core; 5 min with `--networks rand`
Command: python launch.py train text_cnn

Kim's network: 100 filters for windows of 3, of 4 and of 5 words each, their maxima over time,
dropout of 0.5, a dense layer whose columns have a norm of at most 3, Adadelta, batches of 50. Its
word vectors are random and trained ("rand"), or word2vec's: fixed ("static"), trained
("nonstatic"), or one channel of each ("multichannel"). Kim's have 300 numbers, learned from 100
billion words of news; here skip-gram learns 100 from the 1.2 million words of the Brown corpus in a
first stage, and `--vectors vectors:FILE` takes others in word2vec's or GloVe's format. A word
without a vector gets a random one of the same variance. So small a corpus does not help on reviews:
static and multichannel reach 71.0 %.

Movie reviews (MR; Pang, Lee 2005) in ten folds, whose networks are trained side by side, so that a
network that has not seen it scores each sentence. Kim selects the best epoch on a tenth of the
training set; here training ends after a fixed number of epochs. The vocabulary is that of all
sentences; their labels are not read for it. `text_cnn_subj` and `text_cnn_trec` are the same on two
other sets. Beside them stands naive Bayes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

import jax
import numpy as np
import tyro
from annotated_types import Ge, Gt

from dlfun.algorithms.naive_bayes import fold_accuracies
from dlfun.algorithms.sentence_classifier import sentence_classifier, with_mean_prediction
from dlfun.config import BatchSize, Dropout, Epochs, Seed, SomeWidths
from dlfun.data import sentence_sets, text
from dlfun.data.dataset import Dataset
from dlfun.data.order import by_length
from dlfun.errors import UserError
from dlfun.experiment import Claim, Inputs, Quick, Stage, Trained
from dlfun.learner import Key, Learner
from dlfun.nn.models.text_cnn import TextCNN
from dlfun.optimizers import Optimizer, make_optimizer
from dlfun.transforms import compare, cropped, cross_validated

from .pretraining import skip_gram, source, start_from
from .training import with_max_norm

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CHANNELS = {
    "rand": (True, False),
    "static": (False, True),
    "nonstatic": (True, False),
    "multichannel": (True, True),
}
"""The networks: whether they have word vectors that are trained, and that are fixed."""
CROPS = (12, 20, 28, 36)
"""Lengths to which a batch is cut that has no longer sentence."""


def kim_claims(bayes: float, bound: float, **printed: float) -> list[Claim]:
    """Claims of the network with random vectors and of one from word2vec, and of naive Bayes."""
    claims = [
        Claim(f"test/{name}_accuracy", "Kim (2014), Table 2", share, at_least=bound)
        for name, share in printed.items()
    ]
    naive = Claim("test/naive_bayes_accuracy", "beside Wang, Manning (2012)", at_least=bayes)
    return [*claims, naive]


FORMULA = r"""
c_i = \operatorname{ReLU}(w \cdot x_{i:i+h-1} + b), \quad \hat{c} = \max_i c_i, \quad p(y \mid x)
= \operatorname{softmax}(V \hat{c} + d)_y, \quad \lVert V_{y \cdot} \rVert \le 3
"""
CLAIMS = kim_claims(0.77, 0.745, rand=0.761, nonstatic=0.815)
QUICK_VALUES = {
    "networks": ("rand", "multichannel"),
    "vector_epochs": 2,
    "size": 50,
    "features": 50,
    "folds": 2,
    "epochs": 4,
}
"""The smaller setting, for each of the sets."""
QUICK = Quick(QUICK_VALUES, [Claim("test/rand_accuracy", "half of the sentences", at_least=0.65)])


@dataclass(frozen=True)
class Config:
    """Convolutional networks on sentences of two or more classes."""

    dataset: Annotated[str, tyro.conf.arg(help=sentence_sets.HELP)] = "mr"
    folds: Annotated[int, Ge(2)] = 10
    """Folds of a set without a test set, each of them left out of the training of one network."""
    min_count: Annotated[int, Ge(1)] = 2
    """Occurrences below which a word is unknown."""
    networks: tuple[Literal["rand", "static", "nonstatic", "multichannel"], ...] = (
        *("rand", "static", "nonstatic", "multichannel"),
    )
    """Networks that are compared."""
    vectors: str = "brown"
    """Source of the word vectors: brown (the Brown corpus) or text:PATH (a text file, or a folder
    of files *.txt), on which skip-gram trains them, or vectors:FILE (binary if it ends in .bin)."""
    vector_epochs: Annotated[int, Ge(1)] = 20
    """Passes of skip-gram over its corpus."""
    size: Annotated[int, Ge(1)] = 100
    """Numbers of a word vector."""
    widths: SomeWidths = (3, 4, 5)
    """Words of a window."""
    features: Annotated[int, Ge(1)] = 100
    """Filters for windows of each length."""
    dropout: Dropout = 0.5
    """Rate of dropout of the filters' maxima."""
    max_norm: Annotated[float, Gt(0)] = 3.0
    """Largest norm of the weights of a class."""
    epochs: Epochs = 8
    batch_size: BatchSize = 50
    optimizer: Optimizer = Optimizer("adadelta", learning_rate=1.0, decay=0.95)
    seed: Seed = 0


def data(config: Config) -> dict[str, Dataset]:
    """The sentences in their folds, the vocabulary, and what the word vectors come from."""
    given = sentence_sets.load(config.dataset, config.folds, config.seed)
    words = sentence_sets.by_words(given.sentences)
    vocabulary = text.vocabulary(words, config.min_count)
    splits = sentence_sets.splits(given, text.encode(words, text.numbers(vocabulary)))
    order = by_length(splits["train"]["length"])
    sentences = Dataset(config.dataset, splits, given.classes, order)
    if {*config.networks} <= {"rand"}:
        return {"sentences": sentences}
    return {"sentences": sentences, **source(config.vectors, vocabulary, config.size)}


def stages(config: Config, dataset: Mapping[str, Dataset]) -> Sequence[Stage]:
    """Skip-gram where it is to make the word vectors, then the networks on all folds."""
    c, sentences = config, dataset["sentences"]
    made = classifiers(c, sentences)
    if "vectors" not in dataset:
        return [Stage(made, sentences, c.epochs, c.batch_size)]
    begin = partial(start_from, vocabulary=dataset["vocabulary"])
    if "vector" in dataset["vectors"].splits["train"]:
        vectors = dataset["vectors"].splits["train"]["vector"]
        init = made.init
        made = made._replace(init=lambda key, batch: begin(vectors, init(key, batch)))
        return [Stage(made, sentences, c.epochs, c.batch_size)]
    last = Stage(made, sentences, c.epochs, c.batch_size, "classification", begin)
    return [skip_gram(dataset["vectors"], c.size, c.vector_epochs), last]


def classifiers(config: Config, sentences: Dataset) -> Learner:
    """The networks on all folds; what they predict is the mean of all."""
    if not config.networks:
        raise UserError(f"--networks names none: expected some of {', '.join(CHANNELS)}")
    compared = compare({name: network(config, sentences, name) for name in config.networks})
    return cropped(with_mean_prediction(compared), {"x": "length"}, CROPS)


def classifier(config: Config, sentences: Dataset, name: str) -> TextCNN:
    """One of the networks."""
    tuned, fixed = CHANNELS[name]
    return TextCNN(
        vocabulary=1 + max(int(split["x"].max()) for split in sentences.splits.values()),
        classes=len(sentences.classes),
        tuned=tuned,
        fixed=fixed,
        size=config.size,
        widths=config.widths,
        features=config.features,
        dropout=config.dropout,
    )


def network(config: Config, sentences: Dataset, name: str) -> Learner:
    """One of the networks for each fold, under cross entropy."""
    steps = sentences.steps_per_epoch(config.batch_size)
    optimizer = make_optimizer(config.optimizer, steps, config.epochs)
    bounded = with_max_norm(optimizer, config.max_norm)
    learner = sentence_classifier(classifier(config, sentences, name), bounded)
    return cross_validated(learner, 1 + int(sentences.splits["test"]["fold"].max()))


def bayes_accuracies(sentences: Dataset) -> list[float]:
    """The accuracy of naive Bayes on each fold, or on the test set."""
    train, test = (sentences.splits[name] for name in ("train", "test"))
    if test["fold"].any():
        return fold_accuracies(test["x"], test["label"], test["fold"])
    # The training set is fold 1 beside a test set.
    joined = (np.concatenate([test[name], train[name]]) for name in ("x", "label", "fold"))
    return fold_accuracies(*joined)[:1]


def measure(trained: Trained, key: Key) -> dict[str, float]:
    """The accuracy of naive Bayes, and the share of words that have a vector."""
    counted = bayes_accuracies(trained.dataset["sentences"])
    measured = {"test/naive_bayes_accuracy": float(np.mean(counted))}
    if "vocabulary" in trained.dataset:
        row, x = (
            trained.dataset["vocabulary"].splits["train"]["row"],
            trained.dataset["sentences"].splits["test"]["x"],
        )
        measured["test/words_with_vectors"] = float((row[x[x > 0]] >= 0).mean())
    return measured


def vocabulary(config: Config) -> tuple[str, ...]:
    """The known words, by their numbers."""
    given = sentence_sets.load(config.dataset, config.folds, config.seed)
    return text.vocabulary(sentence_sets.by_words(given.sentences), config.min_count)


def inputs(trained: Trained, items: Sequence[str]) -> Inputs:
    """Sentences, or files with one a line."""
    sentences, number = text.sentences(items), text.numbers(vocabulary(trained.config))
    words = sentence_sets.by_words(sentences)
    return Inputs(sentences, text.encode(words, number))


def figures(trained: Trained, rows: list[dict[str, Any]]) -> Iterator[tuple[str, "Figure"]]:
    """The accuracy of each network beside naive Bayes; the words that filters answer to."""
    from .drawing import by_network, table_of_filters

    config, sentences = trained.config, trained.dataset["sentences"]
    last = [row for row in rows if row["split"] == "test"][-1]
    shares = {name: last[f"{name}_accuracy"] for name in config.networks}
    detail = "test accuracy by where the word vectors come from"
    yield "networks", by_network(shares, float(np.mean(bayes_accuracies(sentences))), detail)
    name = config.networks[-1]
    variables = jax.tree.map(lambda leaf: leaf[0], trained.state[name].variables)
    split, words = sentences.splits["test"], vocabulary(config)
    model = classifier(config, sentences, name)
    yield "filters", table_of_filters(model, variables, split, words, sentences.classes)
