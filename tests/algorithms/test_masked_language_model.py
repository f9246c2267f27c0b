"""Masked language model: what is hidden, padding, both directions, and that it learns."""

import jax
import jax.numpy as jnp
import numpy as np

from dlfun.algorithms.masked_language_model import mask_tokens, masked_language_model
from dlfun.learner import metrics_of_all
from dlfun.nn.models.bert import Encoder, SentenceReader, TokenPredictor
from dlfun.optimizers import Optimizer, make_optimizer
from tests.works import compiled

TOKENS = np.array([4, 5, 1, 6, 7, 4, 5, 6, 7, 8, 9, 4, 5, 6, 1, 7, 0, 0, 0, 0], np.int32)
LENGTH = np.int32(16)
FIRST, VOCABULARY = 3, 10


def test_what_is_hidden():
    """14 known tokens, of which 15 % are 2; 80 % masked, 10 % + a seventh of 10 % as they were."""

    @jax.jit
    def hide(keys, tokens, length):
        return jax.vmap(lambda key: mask_tokens(key, tokens, length, VOCABULARY, FIRST))(keys)

    keys = jax.random.split(jax.random.key(0), 4_000)
    tokens, places, weight = map(np.asarray, hide(keys, TOKENS, LENGTH))
    assert (weight.sum(axis=1) == 2).all()
    chosen = np.zeros(tokens.shape, bool)
    np.put_along_axis(chosen, places, weight > 0, axis=1)
    assert not chosen[:, TOKENS < FIRST].any()
    assert (tokens == TOKENS)[~chosen].all()
    # Each known token is hidden as often as any other.
    np.testing.assert_allclose(chosen.mean(axis=0)[TOKENS >= FIRST], 1 / 7, atol=0.03)
    new, old = tokens[chosen], np.broadcast_to(TOKENS, tokens.shape)[chosen]
    np.testing.assert_allclose((new == FIRST - 1).mean(), 0.8, atol=0.02)
    np.testing.assert_allclose((new == old).mean(), 0.1 + 0.1 / 7, atol=0.015)
    others = np.bincount(new[(new != old) & (new >= FIRST)], minlength=VOCABULARY)[FIRST:]
    assert (others > 0).all()


def test_one_token_at_least_is_hidden_and_none_where_none_is_known():
    @jax.jit
    def hide(tokens):
        return mask_tokens(jax.random.key(0), tokens, jnp.int32(3), VOCABULARY, FIRST)

    assert hide(np.array([4, 1, 5, 0, 0], np.int32)).weight.sum() == 1
    assert hide(np.array([1, 1, 1, 0, 0], np.int32)).weight.sum() == 0


def encoder():
    return Encoder(VOCABULARY, 12, 16, heads=2, layers=1, dropout=0.0)


def test_a_padded_sentence_is_read_as_alone():
    x = np.array([[3, 4, 5, 6, 7], [8, 9, 0, 0, 0]], np.int32)
    lengths, places = np.array([5, 2], np.int32), np.array([[1], [1]], np.int32)
    for model, more in ((TokenPredictor(encoder()), (places,)), (SentenceReader(encoder(), 2), ())):
        variables = jax.jit(model.init)(jax.random.key(0), x, lengths, *more)
        apply = jax.jit(model.apply)
        together = apply(variables, x, lengths, *more)
        alone = apply(variables, x[1:, :2], lengths[1:], *(m[1:] for m in more))
        np.testing.assert_allclose(together[1:], alone, atol=1e-5)


def test_hidden_tokens_are_learned_from_both_sides():
    """Sentences in which token n + 1 follows token n, so a neighbour determines each token."""
    start = np.arange(64) % 7
    x = (FIRST + (start[:, None] + np.arange(9)) % 7).astype(np.int32)
    batch = {"x": x, "length": np.full(64, 9, np.int32), "weight": np.ones(64, np.float32)}
    model = TokenPredictor(encoder())
    learner = compiled(
        masked_language_model(
            model, make_optimizer(Optimizer(learning_rate=1e-2)), VOCABULARY, FIRST
        )
    )
    state = learner.init(jax.random.key(0), batch)
    for number in range(250):
        state, _ = learner.update(state, batch, jax.random.key(number))
    columns = {"x": batch["x"], "length": batch["length"]}
    measured = metrics_of_all(learner, state, columns, jax.random.key(99))
    assert measured["masked_accuracy"] > 0.9
