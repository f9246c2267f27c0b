"""word2vec: its gradients are those of its loss, and an update changes the rows it reads alone."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from dlfun.algorithms.huffman import huffman
from dlfun.algorithms.word2vec import (
    block_gradients,
    hierarchical_softmax,
    keep_probabilities,
    negative_sampling,
    noise_distribution,
    word2vec,
)
from tests.works import compiled

COUNTS = np.array([40, 30, 20, 10, 5, 5, 3, 2])
KEY = jax.random.key(3)
LAYERS = {
    "negative sampling": negative_sampling(COUNTS, 5, noise_words=3, block=4, group=8),
    "hierarchical softmax": hierarchical_softmax(COUNTS, block=4, group=8, most=4),
}


def page(words=40, seed=0):
    """A page of text in sentences of 7 words."""
    rng = np.random.default_rng(seed)
    x = rng.choice(len(COUNTS), (1, words), p=COUNTS / COUNTS.sum()).astype(np.int32)
    return {"x": x, "sentence": np.arange(words, dtype=np.int32)[None] // 7}


def tables(size=6, seed=1):
    rng = np.random.default_rng(seed)
    return [jnp.asarray(rng.standard_normal((len(COUNTS), size)), jnp.float32) for _ in range(2)]


def blocks(window, output, places=12):
    """The words and sentences of a page of 12 words, as `block_gradients` reads them."""
    text, around = page(12), (window, window + places - 12)
    x, sentence = (
        np.pad(text[n][0], around, constant_values=v) for n, v in (("x", 0), ("sentence", -1))
    )
    at = np.arange(0, places, output.block)[:, None] + np.arange(output.block + 2 * window)
    return jnp.asarray(x[at]), jnp.asarray(sentence[at])


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("model", ["skipgram", "cbow"])
def test_gradients_are_those_of_the_loss(layer, model):
    gradients = block_gradients(model, 2, LAYERS[layer])
    words, sentences = blocks(2, LAYERS[layer])
    vectors, outputs = tables()

    def loss(vectors, outputs):
        return gradients(vectors, outputs, KEY, words, sentences).loss

    found = jax.jit(gradients)(vectors, outputs, KEY, words, sentences)
    by_vectors, by_outputs = jax.jit(jax.grad(loss, (0, 1)))(vectors, outputs)
    dense = jnp.zeros(outputs.shape).at[found.rows].add(found.to_outputs)
    np.testing.assert_allclose(dense, by_outputs, rtol=1e-4, atol=1e-5)
    if model == "skipgram":
        dense = jnp.zeros(vectors.shape).at[words].add(found.to_words)
        np.testing.assert_allclose(dense, by_vectors, rtol=1e-4, atol=1e-5)


def test_a_word_of_cbow_gets_the_gradient_of_the_mean_undivided():
    gradients = block_gradients("cbow", 1, LAYERS["hierarchical softmax"])
    words = jnp.array([[0, 1, 2, 3, 4, 5]])
    sentences = jnp.array([[-1, 0, 0, 0, -1, -1]])  # Only 1, 2 and 3 stand in a sentence.
    vectors, outputs = tables()
    found = jax.jit(gradients)(vectors, outputs, KEY, words, sentences)
    nodes, bits, lengths = huffman(COUNTS)
    expected = np.zeros((6, vectors.shape[1]))
    for middle, around in ((1, [2]), (2, [1, 3]), (3, [2])):
        h = np.mean([vectors[w] for w in around], axis=0)
        for node, bit in zip(nodes[middle][: lengths[middle]], bits[middle], strict=False):
            right = 1 / (1 + np.exp(-outputs[node] @ h))
            for w in around:
                expected[w] += (right - (1 - bit)) * outputs[node]
    np.testing.assert_allclose(found.to_words[0], expected, rtol=1e-4, atol=1e-5)
    assert found.predicted == 3


def test_negative_sampling_by_hand():
    """Skip-gram in a sentence of two words: each predicts the other."""
    layer = negative_sampling(COUNTS, 5, noise_words=3, block=4, group=8)
    gradients = block_gradients("skipgram", 1, layer)
    words, sentences = jnp.array([[0, 6, 7, 0, 0, 0]]), jnp.array([[-1, 4, 4, -1, -1, -1]])
    vectors, outputs = tables()
    found = jax.jit(gradients)(vectors, outputs, KEY, words, sentences)
    noise = np.asarray(found.rows)[0, 4:]
    expected = 0.0
    for word, middle in ((7, 6), (6, 7)):
        score = np.asarray(outputs @ vectors[word], np.float64)
        expected += np.log1p(np.exp(-score[middle]))
        expected += 5 / 3 * sum(np.log1p(np.exp(score[n])) for n in noise if n != middle)
    assert float(found.loss) == pytest.approx(expected, rel=1e-5)
    assert found.predicted == 2


@pytest.mark.parametrize("layer", LAYERS)
def test_an_update_is_gradient_descent_on_dense_tables(layer):
    """One group of words: the rows added to are those of optax's step on whole tables."""
    output = LAYERS[layer]._replace(group=16)
    learner = compiled(word2vec(COUNTS, 10, output, size=6, window=2, sample=1e9, rate=0.5))
    batch = page(12) | {"weight": np.ones(1, np.float32)}
    state = learner.init(KEY, batch)
    state = state._replace(outputs=tables()[1])
    after, measured = learner.update(state, batch, KEY)
    words, sentences = blocks(2, output, 16)
    assert (sentences[-1, 2:] < 0).all()
    # The key of the first group, as an update derives it.
    key = jax.random.fold_in(jax.random.split(KEY)[1], 0)
    gradients = block_gradients("skipgram", 2, output)

    def loss(params):
        return gradients(*params, key, words, sentences).loss

    params = (state.words, state.outputs)
    value, (by_words, by_outputs) = jax.jit(jax.value_and_grad(loss))(params)
    rates = np.ones(len(COUNTS)) if output.rates is None else np.asarray(output.rates)
    gradient = by_words, by_outputs * jnp.asarray(rates[:, None], jnp.float32)
    optimizer = optax.sgd(0.5)
    change, _ = optimizer.update(gradient, optimizer.init(params))
    for ours, theirs in zip(after[:2], optax.apply_updates(params, change), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    assert float(measured["loss"].total) == pytest.approx(float(value), rel=1e-5)


def test_the_rate_of_a_node_falls_with_the_words_that_pass_it():
    """All 8 words of a group pass the root, twice `most`: its rate is halved."""
    nodes, _, lengths = huffman(COUNTS)
    rates = np.asarray(hierarchical_softmax(COUNTS, block=4, group=8, most=4).rates)
    assert rates[nodes[0, 0]] == pytest.approx(0.5)
    share = COUNTS / COUNTS.sum()
    for node in range(len(COUNTS) - 1):
        words = [(nodes[w, : lengths[w]] == node).any() for w in range(len(COUNTS))]
        assert rates[node] == pytest.approx(min(1, 4 / (8 * share[words].sum())))


def test_frequent_words_are_left_out():
    """f = 0.1 and t = 1e-3 keep √0.01 + 0.01 of a word's occurrences."""
    counts = np.array([100, 900 - 1, 1])
    kept = np.asarray(keep_probabilities(counts, 1e-3))
    assert kept[0] == pytest.approx(0.11, rel=1e-5)
    assert kept[2] == 1
    learner = compiled(word2vec(COUNTS, 10, LAYERS["negative sampling"], size=2, sample=1e-12))
    batch = page(40) | {"weight": np.ones(1, np.float32)}
    state = learner.init(KEY, batch)
    after, measured = learner.update(state, batch, KEY)
    np.testing.assert_array_equal(after.words, state.words)
    assert measured["loss"].count == 0


def test_noise_is_drawn_by_counts_to_the_three_quarters():
    layer = negative_sampling(COUNTS, 5, noise_words=2000, block=4, group=8)
    words = jnp.zeros((10, 4), jnp.int32)
    rows = jax.jit(layer.choose)(KEY, words, jnp.ones((10, 4, 4))).rows
    share = np.bincount(np.asarray(rows)[:, 4:].ravel(), minlength=len(COUNTS)) / 20_000
    powers = COUNTS**0.75
    np.testing.assert_allclose(noise_distribution(COUNTS), powers / powers.sum())
    np.testing.assert_allclose(share, powers / powers.sum(), atol=0.015)


def test_the_rate_falls_linearly():
    learner = compiled(word2vec(COUNTS, 4, LAYERS["negative sampling"], size=3, sample=1e9))
    batch = page() | {"weight": np.ones(1, np.float32)}
    state = learner.init(KEY, batch)._replace(outputs=tables(3)[1])
    moved = [
        np.abs(learner.update(state._replace(done=jnp.int32(n)), batch, KEY)[0].words - state.words)
        for n in (0, 2, 4)
    ]
    # Later blocks of a batch see what the first have changed: only the first is in proportion.
    assert np.median(moved[1] / moved[0]) == pytest.approx(0.5, abs=0.05)
    assert moved[2].max() < 1e-3 * moved[0].max()


@pytest.mark.parametrize("layer", LAYERS)
def test_words_with_the_same_neighbours_become_alike(layer):
    """In "0 a 1" and "2 b 3" the words a of {4, 5} and b of {6, 7} are drawn."""
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 2, 100)
    drawn = np.where(kind, rng.integers(6, 8, 100), rng.integers(4, 6, 100))
    x = np.stack([2 * kind, drawn, 2 * kind + 1], axis=1).astype(np.int32).reshape(1, -1)
    batch = {"x": x, "sentence": np.arange(300, dtype=np.int32)[None] // 3}
    batch["weight"] = np.ones(1, np.float32)
    learner = compiled(word2vec(COUNTS, 50, LAYERS[layer], size=8, window=1, sample=1e9, rate=0.1))
    state = learner.init(KEY, batch)
    for step in range(50):
        state, _ = learner.update(state, batch, jax.random.fold_in(KEY, step))
    cosines = learner.predict(state, {"x": np.array([4, 6], np.int32)})[:, 4:]
    assert cosines[0, 1] > 0.9 > 0.5 > cosines[0, 2:].max()
    assert cosines[1, 3] > 0.9 > 0.5 > cosines[1, :2].max()
