"""Masked language model: tokens are predicted from those around them (Devlin et al. 2019)."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jaxtyping import Float, Int

from dlfun.algorithms.minimize import LossAndMetrics, minimize
from dlfun.learner import Batch, Key, Learner, example_keys
from dlfun.metrics import Ratio
from dlfun.nn.losses import cross_entropy
from dlfun.nn.models.bert import TokenPredictor

SHARE, MASKED, RANDOM = 0.15, 0.8, 0.1
"""Shares: of tokens that are predicted; and of these, those masked and those replaced at random."""


class Masked(NamedTuple):
    """A sentence in which some tokens are hidden, and where they are.

    `weight` is 1 for a place whose token is to be predicted.
    """

    tokens: Int[Array, " time"]
    places: Int[Array, " places"]
    weight: Float[Array, " places"]


def mask_tokens(
    key: Key, tokens: Int[Array, " time"], length: Int[Array, ""] | int, vocabulary: int, first: int
) -> Masked:
    """Hide 15 % of a sentence's known tokens, at least one.

    Of those hidden 80 % become the token `first` - 1, the mask, 10 % a random known token, and 10 %
    stay. Known tokens are numbered from `first` to `vocabulary` - 1.
    """
    place_key, way_key, token_key = jax.random.split(key, 3)
    known = (tokens >= first) & (jnp.arange(len(tokens)) < length)
    draws = jnp.where(known, jax.random.uniform(place_key, tokens.shape), 2)
    places = jnp.argsort(draws)[: max(1, round(SHARE * len(tokens)))]
    count = jnp.maximum(jnp.round(SHARE * known.sum().astype(draws.dtype)), 1)
    chosen = known[places] & (jnp.arange(len(places)) < count.astype(jnp.int32))
    way = jax.random.uniform(way_key, places.shape)
    other = jax.random.randint(token_key, places.shape, first, vocabulary)
    kept = tokens[places]
    new = jnp.where(way < MASKED, first - 1, jnp.where(way < MASKED + RANDOM, other, kept))
    hidden = tokens.at[places].set(jnp.where(chosen, new, kept))
    return Masked(hidden, places, chosen.astype(draws.dtype))


def masked_language_model(
    model: TokenPredictor, optimizer: optax.GradientTransformation, vocabulary: int, first: int
) -> Learner:
    """Learner of the tokens hidden in sentences, columns "x" and "length", under cross entropy.

    Other tokens are hidden in each update. "loss" and "masked_accuracy" are means over the hidden
    tokens.

    Args:
        model: logits of the tokens at some places.
        optimizer: gradient transformation.
        vocabulary: number of tokens.
        first: number of the first known token; the mask is the one before.
    """

    def masked(key: Key, batch: Batch) -> Masked:
        keys = example_keys(key, len(batch["x"]))
        return jax.vmap(lambda k, x, n: mask_tokens(k, x, n, vocabulary, first))(
            keys, batch["x"], batch["length"]
        )

    def init(key: Key, batch: Batch) -> Mapping[str, Any]:
        return model.init(key, batch["x"], batch["length"], jnp.zeros((len(batch["x"]), 1), int))

    def objective(
        variables: Mapping[str, Any], batch: Batch, key: Key, training: bool
    ) -> LossAndMetrics:
        hide_key, drop_key = jax.random.split(key)
        hidden = masked(hide_key, batch)
        target = jnp.take_along_axis(batch["x"], hidden.places, axis=1)
        logits: Any = model.apply(
            variables,
            hidden.tokens,
            batch["length"],
            hidden.places,
            batch["weight"] if training else None,
            rngs={"dropout": drop_key},
        )
        weight = hidden.weight * batch["weight"][:, None]
        loss = cross_entropy(logits.reshape(-1, vocabulary), target.reshape(-1))
        # The loss computes the maximum too; an argmax over all tokens costs a sixth of an update.
        best = logits.max(axis=-1)
        scored = jnp.take_along_axis(logits, target[..., None], axis=-1)[..., 0]
        hit = (scored == best).astype(weight.dtype)
        return LossAndMetrics(
            Ratio((loss * weight.reshape(-1)).sum(), weight.sum()),
            {"masked_accuracy": Ratio((hit * weight).sum(), weight.sum())},
        )

    return minimize(init, objective, optimizer)
