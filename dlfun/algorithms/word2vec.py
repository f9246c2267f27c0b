"""word2vec: vectors of words that predict the words around them (Mikolov et al. 2013).

A word is scored by a vector h through rows u of a second table, a binary prediction σ(u·h) each:

- skip-gram: h is the vector of a word in the window, and each of them predicts the middle word;
- CBOW: h is the mean of the window's vectors;
- negative sampling: the label of the middle word's own row is 1, that of rows of noise words 0;
- hierarchical softmax: the rows are those of the inner nodes on the middle word's path in Huffman's
  tree, and the labels the branches taken.

An update differentiates the loss by the rows that it has read, and adds to these rows alone.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Float, Int

from dlfun.algorithms.huffman import huffman
from dlfun.learner import Batch, Key, Learner, example_keys
from dlfun.metrics import Metrics, Ratio

LEAST = 1e-4
"""Share of the learning rate that is left at the end, as in word2vec.c."""
TINY = 1e-30
"""Least probability whose logarithm is taken."""


class Embeddings(NamedTuple):
    """The two tables, and the number of updates done.

    `outputs` has a row for each word, or for each inner node of Huffman's tree.
    """

    words: Float[Array, "words size"]
    outputs: Float[Array, "outputs size"]
    done: Int[Array, ""]


class Predictions(NamedTuple):
    """Binary predictions in blocks: the rows of the output table, their labels and weights."""

    rows: Int[Array, "blocks outputs"]
    label: Float[Array, "blocks outputs"]
    weight: Float[Array, "blocks inputs outputs"]


class OutputLayer(NamedTuple):
    """A way of predicting words by binary predictions.

    Attributes:
        choose: (key, middle words [blocks, block], their weights [blocks, inputs, block]) → the
            predictions of these words.
        block: consecutive middle words whose predictions are one product of matrices.
        group: words whose gradients are added up before rows are changed.
        rates: the share of the learning rate that each row of the output table follows, or 1.
    """

    choose: Callable[[Key, Array, Array], Predictions]
    block: int
    group: int
    rates: Array | None = None


def keep_probabilities(
    counts: Int[np.ndarray, " words"], sample: float | Array
) -> Float[Array, " words"]:
    """The probability min(1, √(t/f) + t/f) with which a word is read, of share f and t = `sample`.

    That is word2vec.c's; Mikolov et al. (2013) print √(t/f).
    """
    ratio = sample / jnp.asarray(counts / counts.sum(), jnp.float32)
    return jnp.minimum(jnp.sqrt(ratio) + ratio, 1)


def noise_distribution(counts: Int[np.ndarray, " words"]) -> Float[np.ndarray, " words"]:
    """The probability of each word as noise, in proportion to count^¾ (Mikolov et al. 2013)."""
    powers = counts.astype(np.float64) ** 0.75
    return powers / powers.sum()


def negative_sampling(
    counts: Int[np.ndarray, " words"],
    negatives: int,
    noise_words: int = 16,
    block: int = 32,
    group: int = 1024,
) -> OutputLayer:
    """The layer with `negatives` noise words for each prediction; none is the middle word itself.

    A block shares `noise_words` draws, each with the weight negatives/noise_words: the expected
    gradient is that of own draws, from products of matrices (Ji et al. 2016 share in a window).
    """
    cumulative = jnp.asarray(np.cumsum(noise_distribution(counts)), jnp.float32)

    def choose(key: Key, words: Array, weight: Array) -> Predictions:
        draws = jax.random.uniform(key, (len(words), noise_words))
        # The last sum may be below 1 by rounding.
        noise = jnp.minimum(jnp.searchsorted(cumulative, draws), len(counts) - 1)
        other = (words[:, :, None] != noise[:, None]).astype(weight.dtype)
        label = jnp.concatenate([jnp.ones(words.shape), jnp.zeros(noise.shape)], axis=1)
        return Predictions(
            jnp.concatenate([words, noise], axis=1),
            label,
            jnp.concatenate([weight, weight @ other * (negatives / noise_words)], axis=2),
        )

    return OutputLayer(choose, block, group)


def hierarchical_softmax(
    counts: Int[np.ndarray, " words"], block: int = 4, group: int = 256, most: int = 32
) -> OutputLayer:
    """The layer that predicts the branch at each node of a word's path (Morin, Bengio 2005).

    The root is on every path: steps along the sum of a whole group's gradients would grow without
    bound. A node that more than `most` words of a group are expected to pass has a smaller rate, as
    if it were passed by `most`.
    """
    nodes, bits, lengths = huffman(counts)
    on_path = (np.arange(nodes.shape[1]) < lengths[:, None]).astype(np.float32)
    passed = np.bincount(nodes.ravel(), (on_path * counts[:, None]).ravel(), len(counts))
    expected = group * passed / counts.sum()
    rates = jnp.asarray(most / np.maximum(expected, most), jnp.float32)

    def choose(key: Key, words: Array, weight: Array) -> Predictions:
        of_words = jnp.asarray(on_path)[words]
        return Predictions(
            jnp.asarray(nodes)[words].reshape(len(words), -1),
            1 - jnp.asarray(bits, jnp.float32)[words].reshape(len(words), -1),
            (weight[..., None] * of_words[:, None]).reshape(*weight.shape[:2], -1),
        )

    return OutputLayer(choose, block, group, rates)


class Gradients(NamedTuple):
    """The loss of some blocks, and its gradients by the rows of both tables that they read."""

    loss: Float[Array, ""]
    predicted: Float[Array, ""]
    """Words, or pairs of words, that were predicted."""
    rows: Int[Array, "blocks outputs"]
    to_words: Float[Array, "blocks width size"]
    to_outputs: Float[Array, "blocks outputs size"]


def block_gradients(
    model: Literal["skipgram", "cbow"], window: int, output: OutputLayer
) -> Callable[[Array, Array, Key, Array, Array], Gradients]:
    """The function (word vectors, outputs, key, words, sentences) → gradients of some blocks.

    `words` and `sentences`, [blocks, block + 2·window], hold `window` words before and after the
    middle words. The window of each of these reaches 1 to `window` words, uniformly drawn, to both
    sides within its sentence. The loss is -Σ weight · log σ(±u·h), + where a label is 1.
    """
    block = output.block
    columns, middle = np.arange(block + 2 * window), slice(window, window + block)
    distance = np.abs(columns[middle, None] - columns)

    def gradients(
        vectors: Array, outputs: Array, key: Key, words: Array, sentences: Array
    ) -> Gradients:
        reach_key, noise_key = jax.random.split(key)
        reach = jax.random.randint(reach_key, (len(words), block, 1), 1, window + 1)
        middle_sentence = sentences[:, middle, None]
        near = (
            (middle_sentence == sentences[:, None])
            & (middle_sentence >= 0)
            & (distance > 0)
            & (distance <= reach)
        )
        pair, h = near.astype(vectors.dtype), vectors[words]
        if model == "cbow":
            number = pair.sum(axis=2, keepdims=True)
            h = pair @ h / jnp.maximum(number, 1)
            predicting = jnp.minimum(number, 1) * jnp.eye(block)
        else:
            predicting = pair.swapaxes(1, 2)
        rows, label, weight = output.choose(noise_key, words[:, middle], predicting)
        u = outputs[rows]
        sign = 2 * label[:, None] - 1
        right = jax.nn.sigmoid(sign * (h @ u.swapaxes(1, 2)))
        loss = -(weight * jnp.log(jnp.maximum(right, TINY))).sum()
        by_score = weight * sign * (right - 1)
        to_words = by_score @ u
        if model == "cbow":
            # word2vec gives each word the gradient of the mean, undivided (Irsoy et al. 2021).
            to_words = pair.swapaxes(1, 2) @ to_words
        return Gradients(loss, predicting.sum(), rows, to_words, by_score.swapaxes(1, 2) @ h)

    return gradients


def word2vec(
    counts: Int[np.ndarray, " words"],
    steps: int,
    output: OutputLayer,
    *,
    model: Literal["skipgram", "cbow"] = "skipgram",
    size: int = 100,
    window: int = 5,
    sample: float | Array = 1e-3,
    rate: float | Array = 0.025,
) -> Learner:
    """Learner of vectors from pages of text: columns "x" and "sentence", int [batch, page].

    They hold the number of each word, and that of its sentence, below 0 where there is no word. In
    an update each word is read with its probability of `keep_probabilities`, and what is left is
    laid out in blocks. "loss" is the mean of -Σ log σ over pairs of skip-gram, or words of CBOW; in
    evaluation every word is read. Predictions are cosines: of the words batch["x"], [batch], with
    all words, [batch, words].

    Args:
        counts: occurrences of each word.
        steps: updates over which the learning rate falls linearly to 0.
        output: `negative_sampling` or `hierarchical_softmax` of the counts.
        model: what predicts the middle word.
        size: length of a vector.
        window: words that a window reaches to each side at most.
        sample: t of `keep_probabilities`.
        rate: learning rate at the start; gradients are summed over predictions.
    """
    gradients = block_gradients(model, window, output)
    keep_probability = keep_probabilities(counts, sample)
    block, group = output.block, output.group
    width = np.arange(block + 2 * window)
    blocks = np.arange(0, group, block)[:, None] + width

    def packed(words: Array, sentences: Array, kept: Array) -> tuple[Array, Array]:
        """The words kept and their sentences, after `window` places without a word."""
        indices = jnp.flatnonzero(kept, size=kept.size, fill_value=kept.size)
        indices = jnp.pad(indices, (window, window + group), constant_values=kept.size)
        return jnp.append(words, 0)[indices], jnp.append(sentences, -1)[indices]

    def init(key: Key, batch: Batch) -> Embeddings:
        words = jax.random.uniform(key, (len(counts), size), minval=-0.5, maxval=0.5) / size
        return Embeddings(words, jnp.zeros((len(counts), size)), jnp.int32(0))

    def update(state: Embeddings, batch: Batch, key: Key) -> tuple[Embeddings, Metrics]:
        x, real = batch["x"], (batch["sentence"] >= 0) & (batch["weight"][:, None] > 0)
        keep_key, key = jax.random.split(key)
        draw = jax.vmap(lambda key: jax.random.uniform(key, x.shape[1:]))
        kept = real & (draw(example_keys(keep_key, len(x))) < keep_probability[x])
        words, sentences = packed(x, batch["sentence"], kept)
        eta = rate * jnp.maximum(1 - state.done.astype(jnp.float32) / steps, LEAST)

        def read(number: Array, carry: tuple[Array, ...]) -> tuple[Array, ...]:
            vectors, outputs, total, count = carry
            at = number * group + blocks
            gradient = gradients(
                vectors, outputs, jax.random.fold_in(key, number), words[at], sentences[at]
            )
            vectors = vectors.at[words[at]].add(-eta * gradient.to_words)
            of_rows = 1 if output.rates is None else output.rates[gradient.rows][..., None]
            outputs = outputs.at[gradient.rows].add(-eta * of_rows * gradient.to_outputs)
            return vectors, outputs, total + gradient.loss, count + gradient.predicted

        zero = jnp.zeros(())
        parts = -(-kept.sum(dtype=jnp.int32) // group)
        vectors, outputs, total, count = lax.fori_loop(
            0, parts, read, (state.words, state.outputs, zero, zero)
        )
        done = state.done + batch["weight"].any().astype(jnp.int32)
        return Embeddings(vectors, outputs, done), {"loss": Ratio(total, count)}

    def evaluate(state: Embeddings, batch: Batch, key: Key) -> Metrics:
        def page(columns: tuple[Array, ...]) -> tuple[Array, Array]:
            x, sentence, key = columns
            words, sentences = packed(x, sentence, sentence >= 0)
            at = np.arange(0, len(x), block)[:, None] + width
            gradient = gradients(state.words, state.outputs, key, words[at], sentences[at])
            return gradient.loss, gradient.predicted

        keys = example_keys(key, len(batch["x"]))
        total, count = lax.map(page, (batch["x"], batch["sentence"], keys))
        return {"loss": Ratio((total * batch["weight"]).sum(), (count * batch["weight"]).sum())}

    def predict(state: Embeddings, batch: Batch) -> Float[Array, "batch words"]:
        unit = state.words / jnp.linalg.norm(state.words, axis=1, keepdims=True)
        return unit[batch["x"]] @ unit.T

    return Learner(init, update, evaluate, predict)
