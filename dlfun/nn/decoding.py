"""Sequences written token by token: greedy, drawn at random, or found by beam search.

A model is given by its `Step`. Rows are independent sequences; what a row has written after its
end, the token `end`, is `end` again, and the loop stops where all rows have ended.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

Carry = Any
"""The memory of a model: a pytree of arrays whose first axis is that of the rows."""
Step = Callable[
    [Carry, Int[Array, " rows"], Int[Array, ""]], tuple[Float[Array, "rows vocabulary"], Carry]
]
"""(carry, tokens, their position) → logits of the next tokens, and the new carry."""
Choose = Callable[[Key[Array, ""], Float[Array, "rows vocabulary"]], Int[Array, " rows"]]
"""(key, logits) → tokens."""


def greedy(key: Key[Array, ""], logits: Float[Array, "rows vocabulary"]) -> Int[Array, " rows"]:
    """The likeliest token of each row."""
    return logits.argmax(-1).astype(jnp.int32)


def sampled(
    temperature: float | Array = 1.0, top_k: int | None = None, top_p: float | Array | None = None
) -> Choose:
    """Tokens drawn from softmax(logits / temperature), cut to the likeliest ones.

    Of them only the `top_k` likeliest are kept (Fan et al., 2018), and then only the fewest whose
    probabilities sum to `top_p` (nucleus sampling, Holtzman et al., 2020).
    """

    def choose(key: Key[Array, ""], logits: Float[Array, "rows vocabulary"]) -> Int[Array, " rows"]:
        if top_k is not None:
            logits = keep_top_k(logits, top_k)
        if top_p is not None:
            # Not logits / temperature: near 0 they would be infinite.
            logits = keep_top_p(logits, top_p, temperature)
        noise = temperature * jax.random.gumbel(key, logits.shape, logits.dtype)
        return jnp.argmax(logits + noise, axis=-1).astype(jnp.int32)

    return choose


def keep_top_k(logits: Float[Array, "rows vocabulary"], k: int) -> Float[Array, "rows vocabulary"]:
    """The k largest logits of each row, -∞ in the place of others; equal ones are all kept."""
    least = jax.lax.top_k(logits, min(k, logits.shape[-1]))[0][:, -1:]
    return jnp.where(logits < least, -jnp.inf, logits)


def keep_top_p(
    logits: Float[Array, "rows vocabulary"], p: float | Array, temperature: float | Array = 1.0
) -> Float[Array, "rows vocabulary"]:
    """The fewest largest logits whose probabilities sum to p or more, -∞ in the place of others.

    The probabilities are softmax(logits / temperature). The largest logit is always kept.
    """
    descending = -jnp.sort(-logits, axis=-1)
    share = jax.nn.softmax((descending - descending[:, :1]) / temperature)
    before = jnp.cumsum(share, axis=-1) - share
    least = jnp.where((before < p) | (before == 0), descending, jnp.inf).min(-1, keepdims=True)
    return jnp.where(logits < least, -jnp.inf, logits)


def generate(
    step: Step,
    carry: Carry,
    first: Int[Array, " rows"],
    length: int,
    choose: Choose = greedy,
    key: Key[Array, ""] | None = None,
    end: int | None = None,
    position: int = 0,
) -> Int[Array, "rows length"]:
    """At most `length` tokens after `first`, whose position is `position`, by `choose`.

    `key` is needed where `choose` draws. Without an `end` there are `length` tokens.
    """
    key = jax.random.key(0) if key is None else key
    stop = -1 if end is None else end

    def unfinished(state: tuple[Array, Array, Array, Array, Carry]) -> Bool[Array, ""]:
        number, _, ended, *_ = state
        return (number < length) & ~ended.all()

    def body(state: tuple[Array, Array, Array, Array, Carry]) -> Any:
        number, token, ended, written, carry = state
        logits, carry = step(carry, token, position + number)
        token = choose(jax.random.fold_in(key, number), logits).astype(jnp.int32)
        token = jnp.where(ended, stop, token)
        return number + 1, token, ended | (token == stop), written.at[:, number].set(token), carry

    rows = len(first)
    written = jnp.full((rows, length), stop, jnp.int32)
    state = (jnp.asarray(0), first.astype(jnp.int32), jnp.zeros(rows, bool), written, carry)
    return jax.lax.while_loop(unfinished, body, state)[3]


class Beams(NamedTuple):
    """Sequences of each row, the best first: their tokens and scores."""

    tokens: Int[Array, "rows beams length"]
    scores: Float[Array, "rows beams"]


def beam_search(
    step: Step,
    carry: Carry,
    first: Int[Array, " rows"],
    length: int,
    beams: int,
    end: int,
    exponent: float | Array = 1.0,
) -> Beams:
    """The likeliest sequences after `first` of at most `length` tokens, by beam search.

    At each step the `beams` likeliest continuations of a row that have not ended are kept. A
    sequence of n tokens, `end` among them, has the score log p / n^exponent: 0 favours short ones,
    1 is the mean over tokens. Sequences that have not ended after `length` tokens count as they
    are. A row is done where `beams` sequences have ended, each with a better score than those that
    go on have so far.

    Returns:
        The `beams` best sequences of each row, filled up with `end`; a score of -∞ where there are
        fewer.

    Raises:
        ValueError: `beams` below 1.
    """
    if beams < 1:
        raise ValueError(f"beams must be at least 1, got {beams}")
    rows = len(first)
    carry = jax.tree.map(lambda leaf: jnp.repeat(leaf, beams, axis=0), carry)
    blank = jnp.full((rows, beams, length), end, jnp.int32)
    nothing = jnp.full((rows, beams), -jnp.inf)
    going = Beams(blank, nothing.at[:, 0].set(0.0))  # All beams start alike: one of them counts.
    token = jnp.repeat(first.astype(jnp.int32), beams)

    def normalized(log_p: Array, count: int | Array) -> Array:
        return log_p / jnp.asarray(count, log_p.dtype) ** exponent

    def unfinished(number: Array, going: Beams, ended: Beams) -> Bool[Array, " rows"]:
        so_far = normalized(going.scores.max(-1), jnp.maximum(number, 1))
        return (number < length) & (so_far > ended.scores.min(-1))

    def body(state: Any) -> Any:
        number, token, going, ended, carry = state
        logits, carry = step(carry, token, number)
        log_p = jax.nn.log_softmax(logits).reshape(rows, beams, -1) + going.scores[..., None]
        ends = Beams(
            going.tokens.at[:, :, number].set(end), normalized(log_p[:, :, end], number + 1)
        )
        # What a row finds does not depend on how long the others take.
        live = unfinished(number, going, ended)
        ended = jax.tree.map(partial(_choose, live), _best(ended, ends), ended)
        continued = log_p.at[:, :, end].set(-jnp.inf)
        scores, indices = jax.lax.top_k(continued.reshape(rows, -1), beams)
        parents, token = indices // log_p.shape[-1], (indices % log_p.shape[-1]).astype(jnp.int32)
        tokens = jnp.take_along_axis(going.tokens, parents[..., None], axis=1)
        going = Beams(
            tokens.at[:, :, number].set(token), jnp.where(live[:, None], scores, -jnp.inf)
        )
        if beams > 1:  # A single beam keeps its carry.
            flat = (jnp.arange(rows)[:, None] * beams + parents).reshape(-1)
            carry = jax.tree.map(lambda leaf: leaf[flat], carry)
        return number + 1, token.reshape(-1), going, ended, carry

    number, _, going, ended, _ = jax.lax.while_loop(
        lambda state: unfinished(state[0], state[2], state[3]).any(),
        body,
        (jnp.asarray(0), token, going, Beams(blank, nothing), carry),
    )
    cut = jnp.where(number == length, normalized(going.scores, length), -jnp.inf)
    return _best(ended, going._replace(scores=cut))


def _choose(rows: Array, new: Array, old: Array) -> Array:
    return jnp.where(rows.reshape(-1, *(1,) * (new.ndim - 1)), new, old)


def _best(a: Beams, b: Beams) -> Beams:
    """The best of two sets of sequences, as many as `a` has."""
    scores, indices = jax.lax.top_k(jnp.concatenate([a.scores, b.scores], 1), a.scores.shape[1])
    tokens = jnp.concatenate([a.tokens, b.tokens], 1)
    return Beams(jnp.take_along_axis(tokens, indices[..., None], axis=1), scores)
