"""Word vectors for the networks to start from: skip-gram's, or those of a file."""

from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from dlfun.algorithms.minimize import MinimizeState
from dlfun.algorithms.word2vec import Embeddings, negative_sampling, word2vec
from dlfun.data import corpus, text, word_vectors
from dlfun.data.dataset import Dataset, take
from dlfun.errors import UserError, unknown
from dlfun.experiment import Stage
from dlfun.nn.models.text_cnn import VECTORS

PREFIX = "vectors:"
"""Begins the name of a file of word vectors."""
PAGE, PAGES, TEST_PAGES = 1_000, 4, 20
"""Words of a page, pages of a batch, and pages whose loss is evaluated."""
WINDOW, MIN_COUNT, NEGATIVES = 5, 5, 5
"""Window, minimum count and noise words of `word2vec_skipgram`."""
RANDOM_DEVIATION = 0.25 / 3**0.5
"""Standard deviation of the vectors that `TextCNN` draws."""


def source(name: str, words: tuple[str, ...], size: int) -> dict[str, Dataset]:
    """The datasets "vectors", a file's vectors or the pages of a corpus, and "vocabulary".

    The vocabulary has a column "row": the row of each of the `words` among the vectors, or -1.

    Raises:
        UserError: no such corpus or file, a corpus that is too small, a file that is damaged or has
            vectors of another size.
    """
    if name.startswith(PREFIX) and name != PREFIX:
        path = Path(name.removeprefix(PREFIX)).expanduser()
        known, vectors = word_vectors.read(path, only=frozenset(words))
        if vectors.shape[1] != size:
            raise UserError(
                f"{path} has vectors of {vectors.shape[1]} numbers, not {size}: "
                f"give --size {vectors.shape[1]}"
            )
        split = {"vector": vectors}
        made = Dataset(name, {"train": split, "test": split}, known)
    elif name != "brown" and not name.startswith(text.PREFIX):
        raise unknown("vectors", name, ["brown"], f"{text.PREFIX}PATH", f"{PREFIX}FILE")
    else:
        sentences = corpus.sentences(name)
        # The sentences to be classified are cut into words in this way.
        known, x, sentence = corpus.pages(
            lambda: (text.words(" ".join(cut)) for cut in sentences()), MIN_COUNT, PAGE, WINDOW
        )
        train = {"x": x, "sentence": sentence}
        test = take(train, np.arange(0, len(x), -(-len(x) // TEST_PAGES)))
        made = Dataset(name, {"train": train, "test": test}, known)
    number = text.numbers(known)
    row = np.array([number.get(word, -1) for word in words], np.int32)
    return {"vectors": made, "vocabulary": Dataset("vocabulary", {"train": {"row": row}}, words)}


def skip_gram(pages: Dataset, size: int, epochs: int) -> Stage:
    """The stage that makes word vectors, by skip-gram with negative sampling."""
    train = pages.splits["train"]
    counts = np.bincount(train["x"][train["sentence"] >= 0], minlength=len(pages.classes))
    layer = negative_sampling(counts, NEGATIVES)
    steps = epochs * pages.steps_per_epoch(PAGES)
    learner = word2vec(counts, steps, layer, size=size, window=WINDOW)
    return Stage(learner, pages, epochs, PAGES, "word2vec")


def start_from(
    vectors: Embeddings | Any, fresh: dict[str, MinimizeState], vocabulary: Dataset
) -> dict[str, MinimizeState]:
    """The networks, with the vectors that there are in the place of random ones, but in "rand".

    Random ones that are left get the standard deviation of the others (Kim 2014).
    """
    table = vectors.words if isinstance(vectors, Embeddings) else jnp.asarray(vectors)
    row = vocabulary.splits["train"]["row"]
    deviation = table[row[row >= 0]].std() if (row >= 0).any() else RANDOM_DEVIATION

    def filled(random: Array) -> Array:
        known = table[np.maximum(row, 0)]
        return jnp.where((row >= 0)[:, None], known, random * (deviation / RANDOM_DEVIATION))

    def started(state: MinimizeState) -> MinimizeState:
        params, fixed = state.params, state.collections.get(VECTORS)
        made = filled(fixed[VECTORS] if fixed else params[VECTORS])
        if fixed:
            state = state._replace(collections={**state.collections, VECTORS: {VECTORS: made}})
        if VECTORS in params:
            state = state._replace(params={**params, VECTORS: made})
        return state

    return {name: state if name == "rand" else started(state) for name, state in fresh.items()}
