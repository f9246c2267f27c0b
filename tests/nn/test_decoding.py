"""Decoding: draws follow the model, beam search finds what a search of everything finds."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dlfun.nn.decoding import (
    beam_search,
    generate,
    greedy,
    keep_top_k,
    keep_top_p,
    sampled,
)

VOCABULARY, LENGTH, END, HISTORIES = 4, 3, 0, 4**4
TABLE = jnp.asarray(np.random.default_rng(0).normal(scale=2, size=(HISTORIES, VOCABULARY)))
TABLE = TABLE.astype(jnp.float32)
FIRST = jnp.array([1, 2, 3])
KEY = jax.random.key(0)


def step(history, token, position):
    """Logits that depend on all tokens so far."""
    history = history * VOCABULARY + token
    return TABLE[history], history


def start(first=FIRST):
    return jnp.zeros(len(first), jnp.int32)


def log_p(first, tokens):
    """Logarithm of the probability of a sequence of numbers."""
    history, total = first, 0.0
    for token in tokens:
        total += float(jax.nn.log_softmax(TABLE[history])[token])
        history = history * VOCABULARY + token
    return total


def every_sequence():
    """Sequences that end, and those of `LENGTH` tokens that do not."""
    for count in range(1, LENGTH + 1):
        for tokens in itertools.product(range(VOCABULARY), repeat=count):
            if END not in tokens[:-1] and (tokens[-1] == END or count == LENGTH):
                yield tokens


@pytest.mark.parametrize("exponent", [0.0, 1.0])
def test_wide_beam_search_equals_exhaustive_search(exponent):
    found = list(every_sequence())
    search = jax.jit(partial(beam_search, step, length=LENGTH, beams=len(found), end=END))
    tokens, scores = search(start(), FIRST, exponent=exponent)
    for row, first in enumerate([1, 2, 3]):
        expected = {
            (*sequence, *[END] * (LENGTH - len(sequence))): log_p(first, sequence)
            / len(sequence) ** exponent
            for sequence in found
        }
        ours = {
            tuple(t): s for t, s in zip(tokens[row].tolist(), scores[row].tolist(), strict=True)
        }
        assert ours == pytest.approx(expected, abs=1e-5)
        assert (np.diff(scores[row]) <= 0).all()


def test_a_beam_of_one_is_greedy_and_rows_do_not_depend_on_each_other():
    run = jax.jit(partial(beam_search, step, length=LENGTH, beams=1, end=END))
    together = run(start(), FIRST).tokens[:, 0]
    np.testing.assert_array_equal(together, generate(step, start(), FIRST, LENGTH, end=END))
    search = jax.jit(partial(beam_search, step, length=LENGTH, beams=2, end=END))
    all_rows = search(start(), FIRST)
    for row in range(len(FIRST)):
        one = search(start(FIRST[:1]), FIRST[row : row + 1])
        np.testing.assert_array_equal(one.tokens[0], all_rows.tokens[row])
        np.testing.assert_allclose(one.scores[0], all_rows.scores[row], rtol=1e-6)


def test_a_beam_wider_than_the_vocabulary_has_no_more_than_there_is_and_one_of_0_is_refused():
    """There are only four sequences of one token."""
    search = partial(beam_search, step, start(), FIRST, 1)
    tokens, scores = search(6, END)
    assert (np.isfinite(scores).sum(1) == VOCABULARY).all()
    assert (np.sort(tokens[:, :VOCABULARY, 0], axis=1) == np.arange(VOCABULARY)).all()
    with pytest.raises(ValueError, match="beams must be at least 1, got 0"):
        search(0, END)


def test_greedy_is_the_likeliest_token_of_each_step():
    tokens = jax.jit(partial(generate, step, length=LENGTH))(start(), FIRST)
    for first, row in zip(FIRST.tolist(), tokens.tolist(), strict=True):
        history = first
        for token in row:
            assert token == int(TABLE[history].argmax())
            history = history * VOCABULARY + token


@pytest.mark.parametrize("search", [False, True])
def test_it_stops_where_all_rows_have_ended(search):
    """Row b ends after b + 1 tokens."""
    seen = []

    def counted(carry, token, position):
        jax.debug.callback(lambda at: seen.append(int(at)), position)
        at_end = (position >= carry)[:, None]
        return jnp.where(at_end, jnp.array([9.0, 0, 0, 0]), jnp.array([0, 9.0, 0, 0])), carry

    carry = jnp.arange(3)
    if search:
        written = beam_search(counted, carry, FIRST, 50, 2, END).tokens[:, 0]
    else:
        written = generate(counted, carry, FIRST, 50, end=END)
    jax.effects_barrier()
    np.testing.assert_array_equal(written[:, :3], [[0, 0, 0], [1, 0, 0], [1, 1, 0]])
    assert not written[:, 3:].any()
    assert max(seen) <= (5 if search else 2)


def test_draws_follow_the_softmax():
    logits = jnp.tile(TABLE[5], (4000, 1))
    for temperature in (0.5, 2.0):
        drawn = sampled(temperature)(KEY, logits)
        share = np.bincount(drawn, minlength=VOCABULARY) / len(drawn)
        np.testing.assert_allclose(share, jax.nn.softmax(TABLE[5] / temperature), atol=0.04)
    np.testing.assert_array_equal(sampled(1e-30, top_p=0.9)(KEY, logits), greedy(KEY, logits))
    assert (sampled(top_k=1)(KEY, logits) == greedy(KEY, logits)).all()


def test_the_largest_logits_are_kept():
    logits = jnp.log(jnp.array([[0.1, 0.5, 0.15, 0.25], [0.97, 0.01, 0.01, 0.01]]))
    np.testing.assert_array_equal(jnp.isfinite(keep_top_k(logits, 2)), [[0, 1, 0, 1], [1, 1, 1, 1]])
    for p, kept in ((0.0, [1]), (0.45, [1]), (0.6, [1, 3]), (0.8, [1, 2, 3]), (1.0, range(4))):
        expected = np.isin(np.arange(4), list(kept))
        np.testing.assert_array_equal(jnp.isfinite(keep_top_p(logits[:1], p))[0], expected)
    # At a low temperature the largest has nearly all of the probability.
    assert jnp.isfinite(keep_top_p(logits, 0.9, 0.1)).sum() == 2
