"""Skip-gram learns vectors of words from the words around them, and similar words get similar ones.

Figure: ρ of WordSim 0.446, MEN 0.455, SimLex 0.169 (three seeds); gensim 0.420, 0.435, 0.154 (two)
Time: 85 s of processor time, 4 min on a busy core
Command: python launch.py train word2vec_skipgram

word2vec (Mikolov et al. 2013) on the 1.2 million words of the Brown corpus: vectors of 100 numbers,
windows of 5 words to each side, frequent words subsampled, a learning rate that falls linearly, 20
epochs; once with 5 negative samples and once with a hierarchical softmax. The measure is Spearman's
ρ between the cosines of pairs of words and the scores that people gave them, beside gensim 4.4
under the same settings. By the hierarchical softmax ρ is 0.428, 0.456 and 0.125, gensim's 0.379,
0.488 and 0.098, and on MEN ours stays 0.032 behind. That is the tree: among words of equal counts
Huffman's is arbitrary, and with gensim's tree ρ is 0.368, 0.484 and 0.120 (one seed; gensim there
0.375, 0.486 and 0.115).

The nearest ten words of the 1,000 most frequent ones share 0.31 with gensim's by negative sampling
(Jaccard index), and 0.33 between two seeds of gensim. They shared 0.28 where the pages were read in
random order, and 0.25 where a block also shared 16 noise words, not 64. By the hierarchical softmax
they share 0.32 of 0.46, and 0.38 with gensim's tree.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Gt

from dlfun.algorithms.word2vec import (
    hierarchical_softmax,
    keep_probabilities,
    negative_sampling,
    word2vec,
)
from dlfun.config import BatchSize, Epochs, Seed
from dlfun.data import corpus, text, word_similarity
from dlfun.data.dataset import Dataset, take
from dlfun.data.order import in_order
from dlfun.data.word_vectors import WordVectors
from dlfun.errors import UserError, nearest
from dlfun.experiment import Claim, Inputs, Quick, Trained
from dlfun.learner import Key, Learner
from dlfun.transforms import compare

from .scores import analogies, nearest_words, similarity

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SOURCE = "gensim 4.4, equal settings"
WITHIN = 0.03
"""The largest allowed difference of Spearman's ρ below gensim's."""


def gensim_claims(**printed: tuple[float, float, float]) -> list[Claim]:
    """Claims of ρ by the way of predicting a word, from gensim's: WordSim, MEN and SimLex."""
    return [
        Claim(f"test/{way}_{name}", SOURCE, rho, at_least=round(rho - WITHIN, 3))
        for way, correlations in printed.items()
        for name, rho in zip(word_similarity.FILES, correlations, strict=True)
    ]


FORMULA = r"""
L = -\log \sigma(u_w \cdot v_c) - \sum_{k=1}^{5} \log \sigma(-u_{n_k} \cdot v_c), \quad n_k \sim
p(n) \propto f_n^{3/4}

p(w \mid c) = \prod_{j \in \operatorname{path}(w)} \sigma(\pm u_j \cdot v_c)
"""
CLAIMS = gensim_claims(
    negative_sampling=(0.420, 0.435, 0.154), hierarchical_softmax=(0.379, 0.488, 0.098)
)
QUICK = Quick(
    {"epochs": 2}, [Claim("test/negative_sampling_simlex", "a tenth of the epochs", at_least=0.1)]
)
PAGE = 1_000
"""Words of a page, which is an example."""
TEST_PAGES = 20
"""Pages, about, whose loss is evaluated after each epoch; they are trained on, too."""
SHARING: dict[str, dict[str, int]] = {"skipgram": {"noise_words": 64, "group": 256}, "cbow": {}}
"""Arguments of `negative_sampling`: with 16 noise words a block skip-gram's vectors are noisier."""
NEIGHBOURS = 10
"""Neighbours of a word that are printed."""


@dataclass(frozen=True)
class Config:
    """Vectors of words by word2vec."""

    dataset: str = "brown"
    """brown, the Brown corpus, or text:PATH, a text file or a folder of files *.txt, with a
    sentence a line."""
    min_count: Annotated[int, Ge(1)] = 5
    """Occurrences below which a word is left out."""
    model: Literal["skipgram", "cbow"] = "skipgram"
    """skipgram: each word of a window predicts the middle word; cbow: their mean does."""
    outputs: tuple[Literal["negative_sampling", "hierarchical_softmax"], ...] = (
        "negative_sampling",
        "hierarchical_softmax",
    )
    """Ways of predicting a word, each of which gets vectors of its own."""
    size: Annotated[int, Ge(1)] = 100
    """Numbers of a vector."""
    window: Annotated[int, Ge(1)] = 5
    """Words that a window reaches to each side at most; how far it does is drawn."""
    negatives: Annotated[int, Ge(1)] = 5
    """Noise words of a prediction, under negative sampling."""
    sample: Annotated[float, Gt(0)] = 1e-3
    """Share of the text above which a word is often left out."""
    learning_rate: Annotated[float, Gt(0)] = 0.025
    """Learning rate at the start."""
    epochs: Epochs = 20
    batch_size: BatchSize = 4
    seed: Seed = 0


def data(config: Config) -> Dataset:
    """The text in pages, read in its order as gensim does; the vocabulary is `classes`."""
    word_similarity.load()  # What `measure` needs is missed before the training.
    words, x, sentence = corpus.pages(
        corpus.sentences(config.dataset), config.min_count, PAGE, config.window
    )
    check_sample(np.bincount(x[sentence >= 0], minlength=len(words)), config)
    train = {"x": x, "sentence": sentence}
    test = take(train, np.arange(0, len(x), -(-len(x) // TEST_PAGES)))
    return Dataset(config.dataset, {"train": train, "test": test}, words, in_order)


def check_sample(counts: np.ndarray, config: Config) -> None:
    """Raise UserError where an epoch is expected to read no more words than a window holds."""
    kept = float(counts @ np.asarray(keep_probabilities(counts, config.sample)))
    if kept <= 2 * config.window + 1:
        raise UserError(
            f"of {counts.sum():,} words an epoch reads about {kept:,.0f} under --sample "
            f"{config.sample:g}: expected more than the {2 * config.window + 1:,} of a window; "
            "give more text, a larger --sample or a smaller --window"
        )


def learner(config: Config, dataset: Dataset) -> Learner:
    """word2vec by each way of predicting a word."""
    if not config.outputs:
        raise UserError("--outputs names none: expected negative_sampling or hierarchical_softmax")
    train = dataset.splits["train"]
    counts = np.bincount(train["x"][train["sentence"] >= 0], minlength=len(dataset.classes))
    layers = {
        "negative_sampling": partial(
            negative_sampling, counts, config.negatives, **SHARING[config.model]
        ),
        "hierarchical_softmax": partial(hierarchical_softmax, counts),
    }
    steps = config.epochs * dataset.steps_per_epoch(config.batch_size)
    shape: dict[str, Any] = {"model": config.model, "size": config.size, "window": config.window}
    rates: dict[str, Any] = {"sample": config.sample, "rate": config.learning_rate}
    return compare(
        {n: word2vec(counts, steps, layers[n](), **shape, **rates) for n in config.outputs}
    )


def vectors(trained: Trained) -> dict[str, WordVectors]:
    """The vectors that each way of predicting a word has made."""
    words = trained.dataset.classes
    return {name: WordVectors(words, np.asarray(s.words)) for name, s in trained.state.items()}


def measure(trained: Trained, key: Key) -> dict[str, float]:
    """Spearman's ρ of each set of pairs, accuracy on analogies, and how many have known words.

    Without known words, as in a text of another language, only their number is measured.
    """
    tests = word_similarity.load()
    measured: dict[str, float] = {}
    for name, made in vectors(trained).items():
        for pairs, scored in tests.pairs.items():
            rho, count = similarity(made, scored)
            measured |= {f"test/{name}_{pairs}": rho} if np.isfinite(rho) else {}
            measured[f"test/{pairs}_pairs"] = float(count)
        right, count = np.sum([(0, 0), *analogies(made, tests.analogies).values()], axis=0)
        measured |= {f"test/{name}_analogy_accuracy": float(right / count)} if count else {}
        measured["test/analogies"] = float(count)
    return measured


def inputs(trained: Trained, items: Sequence[str]) -> Inputs:
    """Words of the vocabulary, whose neighbours are predicted."""
    number = text.numbers(trained.dataset.classes)
    words = [item.lower() for item in items]
    for word in words:
        if word not in number:
            vocabulary = f"the {len(number):,} words of {trained.dataset.name}"
            raise UserError(f"'{word}' is not among {vocabulary}{nearest(word, number)}")
    return Inputs(words, {"x": np.array([number[word] for word in words], np.int32)})


def outputs(
    trained: Trained, names: Sequence[str], predictions: Mapping[str, np.ndarray]
) -> Iterator[dict[str, list[str]]]:
    """The words with the largest cosines, the nearest first."""
    words = trained.dataset.classes
    number = text.numbers(words)
    for row, name in enumerate(names):
        yield {
            way: [words[k] for k in nearest_words(cosines[row], number[name], NEIGHBOURS)]
            for way, cosines in predictions.items()
        }


def figures(trained: Trained, rows: list[dict[str, Any]]) -> Iterator[tuple[str, "Figure"]]:
    """Neighbours of words, accuracy by kind of analogy (of known words), and words in the plane."""
    from .drawing import by_section, in_the_plane, table_of_neighbours

    made = vectors(trained)
    first = next(iter(made.values()))
    yield "neighbours", table_of_neighbours(first)
    words, sections = frozenset(first.words), word_similarity.load().analogies
    if any(words.issuperset(asked) for questions in sections.values() for asked in questions):
        yield "analogies", by_section(made, sections)
    yield "map", in_the_plane(first)
