"""Translation and captioning: a network that reads the words so far learns to predict the next."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jaxtyping import Int

from dlfun import metrics
from dlfun.algorithms.minimize import LossAndMetrics, minimize
from dlfun.config import is_zero
from dlfun.learner import Batch, Key, Learner, example_keys
from dlfun.nn import losses
from dlfun.nn.decoding import beam_search


class Translator(Protocol):
    """A Flax module of an encoder and a decoder, with these methods beside its call.

    Its call gives logits [batch, time, vocabulary] of "y" from the source's columns, and the word
    before each of "y". All arrays of a memory and of a carry have an axis of sentences first.
    """

    def encode(self, *source: Array) -> Any:
        """The memory: the encoded sources, which the decoder reads at each step."""

    def begin(self, memory: Any, longest: int) -> Any:
        """The carry before the first word of translations of at most `longest` words."""

    def step(self, memory: Any, carry: Any, word: Array, position: Array) -> tuple[Array, Any]:
        """Logits of the next words, and the new carry."""


def translation(
    model: Any,
    optimizer: optax.GradientTransformation,
    end: int,
    *,
    smoothing: float | Array = 0.0,
    beams: int = 1,
    longest: int = 50,
    source: Sequence[str] = ("x", "length"),
    sampling: float | Array = 0.0,
) -> Learner:
    """Learner of "y" from a source by teacher forcing: the word before is the true one.

    With scheduled sampling (Bengio et al., 2015), at a constant rate, each of the words before is
    with probability `sampling` one that the network itself draws in its place while training.

    The loss that is minimized is the mean of the smoothed cross entropy over words, the one that is
    reported, "loss", has no smoothing: nats a word, `end` among them. Predictions are translations
    found by `beam_search`, int32 [batch, longest], filled up with `end`.

    Args:
        model: a `Translator`.
        optimizer: gradient transformation.
        end: number of the token that ends a sentence, and is read before the first word.
        smoothing: share of each label that is spread over all words (Szegedy et al., 2016, sec. 7).
        beams: translations that are kept at each step.
        longest: words of a translation at most.
        source: the columns of a batch that the encoder reads: by default sentences and their
            lengths.
        sampling: rate of scheduled sampling; 0 is teacher forcing.
    """

    def columns(batch: Batch) -> tuple[Array, ...]:
        return tuple(batch[name] for name in source)

    def before(y: Int[Array, "batch time"]) -> Int[Array, "batch time"]:
        return jnp.concatenate([jnp.full_like(y[:, :1], end), y[:, :-1]], axis=1)

    def partly_drawn(variables: Mapping[str, Any], batch: Batch, key: Key) -> Array:
        """The words before, some of them drawn from the logits after those before them."""
        apply = partial(model.apply, variables)
        memory, y = apply(*columns(batch), method="encode"), batch["y"]
        start = jnp.full_like(y[:, 0], end), apply(memory, y.shape[1], method="begin")
        keys = example_keys(key, len(y))

        def choose(key: Key, position: Array, logits: Array, true: Array) -> Array:
            which, whether = jax.random.split(jax.random.fold_in(key, position))
            drawn = jax.random.categorical(which, logits).astype(true.dtype)
            return jnp.where(jax.random.bernoulli(whether, sampling), drawn, true)

        def step(state: tuple[Array, Any], numbered: tuple[Array, Array]) -> Any:
            (word, carry), (position, true) = state, numbered
            logits, carry = apply(memory, carry, word, position, method="step")
            new = jax.vmap(choose, (0, None, 0, 0))(keys, position, logits, true)
            return (new, carry), word

        return jax.lax.scan(step, start, (jnp.arange(y.shape[1]), y.T))[1].T

    def init(key: Key, batch: Batch) -> Mapping[str, Any]:
        return model.init(key, *columns(batch), before(batch["y"]))

    def objective(
        variables: Mapping[str, Any], batch: Batch, key: Key, training: bool
    ) -> LossAndMetrics:
        y, weight = batch["y"], batch["weight"]
        words = before(y)
        if training and not is_zero(sampling):
            words = partly_drawn(jax.lax.stop_gradient(variables), batch, key)
        inputs = *columns(batch), words, weight if training else None
        logits = model.apply(variables, *inputs, rngs={"dropout": key})
        live = jnp.arange(y.shape[1]) < batch["y_length"][:, None]
        weight = jnp.where(live, weight[:, None], 0).reshape(-1)
        logits, y = logits.reshape(-1, logits.shape[-1]), y.reshape(-1)
        loss = metrics.mean(losses.cross_entropy(logits, y), weight)
        if not training:
            return LossAndMetrics(loss, metrics.accuracy(logits, y, weight))
        smoothed = losses.smoothed_cross_entropy(logits, y, smoothing)
        return LossAndMetrics(metrics.mean(smoothed, weight), {"loss": loss})

    def predict(variables: Mapping[str, Any], batch: Batch) -> Int[Array, "batch longest"]:
        apply = partial(model.apply, variables)
        memory = apply(*columns(batch), method="encode")
        carry = apply(memory, longest, method="begin")
        # A beam goes on from another one of its own sentence: the memory needs no reordering.
        repeated = jax.tree.map(lambda leaf: jnp.repeat(leaf, beams, axis=0), memory)
        first = jnp.full(len(batch[source[0]]), end, jnp.int32)
        step = partial(apply, repeated, method="step")
        return beam_search(step, carry, first, longest, beams, end).tokens[:, 0]

    return minimize(init, objective, optimizer, predict)
