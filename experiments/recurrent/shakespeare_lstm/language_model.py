"""A recurrent language model, its training by truncated BPTT, and sampling from it."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from dlfun import metrics
from dlfun.algorithms.minimize import LossAndMetrics, minimize
from dlfun.learner import Batch, Key, Learner
from dlfun.nn import losses
from dlfun.nn.kernels.recurrent_cells import find_cell
from dlfun.nn.layers.dense import dense
from dlfun.nn.layers.recurrent import Recurrent

Carry = tuple[tuple[Float[Array, "rows hidden"], ...], ...]
"""The state of each layer: (h,), for the LSTM (h, c)."""


class LanguageModel(nn.Module):
    """Stacked recurrent layers over one-hot tokens, then a dense layer: logits of the next token.

    Attributes:
        vocabulary: number of tokens.
        cell: "rnn", "lstm" or "gru".
        hidden: size of each layer's hidden state.
        layers: number of recurrent layers.
    """

    vocabulary: int
    cell: str = "lstm"
    hidden: int = 128
    layers: int = 1

    @nn.compact
    def __call__(
        self, tokens: Int[Array, "rows time"], carry: Carry
    ) -> tuple[Float[Array, "rows time vocabulary"], Carry]:
        """Logits of the token after each, and the carry after the last."""
        x, after = jax.nn.one_hot(tokens, self.vocabulary), []
        for state in carry:
            x, state = Recurrent(self.hidden, self.cell)(x, state)
            after.append(state)
        logits = dense(x.reshape(-1, self.hidden), self.vocabulary)
        return logits.reshape(*tokens.shape, -1), tuple(after)

    def zeros(self, rows: int) -> Carry:
        """The carry before a text."""
        states = find_cell(self.cell).states
        return (((jnp.zeros((rows, self.hidden)),) * states),) * self.layers


def truncated_bptt(
    model: LanguageModel, lanes: int, optimizer: optax.GradientTransformation
) -> Learner:
    """Learner that predicts the next token of long texts by truncated BPTT (Williams, Peng 1990).

    Batches are those of `dlfun.data.lanes`. The state holds a carry for each lane, from which the
    lane's row in the next batch starts; gradients do not reach back into earlier batches. A row of
    weight 0 leaves its lane's carry unchanged. In evaluation each row starts from a carry of zeros
    and no carry is kept. The loss is the mean over tokens, in nats.
    """

    def init(key: Key, batch: Batch) -> Mapping[str, Any]:
        variables = model.init(key, batch["x"], model.zeros(len(batch["x"])))
        return {**variables, "carry": model.zeros(lanes)}

    def objective(
        variables: Mapping[str, Any], batch: Batch, key: Key, training: bool
    ) -> LossAndMetrics:
        weight, rows = batch["weight"], len(batch["weight"])
        kept, start = variables["carry"], model.zeros(rows)
        # A batch may be padded to more rows than there are lanes, or lack the last lanes.
        shared = min(rows, lanes)
        if training:
            keep = 1 - batch["first"][:shared, None]
            start = jax.tree.map(lambda h, k: h.at[:shared].set(k[:shared] * keep), start, kept)
        logits, after = model.apply({"params": variables["params"]}, batch["x"], start)
        each = losses.cross_entropy(logits.reshape(-1, model.vocabulary), batch["y"].reshape(-1))
        loss = metrics.mean(each, jnp.repeat(weight, batch["y"].shape[1]))
        if not training:
            return LossAndMetrics(loss)
        present = weight[:shared, None] > 0
        carry = jax.tree.map(
            lambda k, h: k.at[:shared].set(jnp.where(present, h[:shared], k[:shared])), kept, after
        )
        return LossAndMetrics(loss, collections={"carry": carry})

    # The carry has to be split over devices with the batch: that is left to the compiler.
    return minimize(init, objective, optimizer)._replace(averages=False)


@partial(jax.jit, static_argnames=("model", "length"))
def generate(
    model: LanguageModel,
    params: Any,
    key: Key,
    prime: Int[Array, "rows time"],
    length: int,
    temperature: float | Array,
) -> Int[Array, "rows length"]:
    """Texts of `length` tokens, drawn token by token from softmax(logits / temperature).

    Each continues a row of `prime`, which the network reads from a carry of zeros.
    """

    def read(tokens: Int[Array, "rows time"], carry: Carry) -> tuple[Array, Carry]:
        result: Any = model.apply({"params": params}, tokens, carry)
        logits, carry = result
        return logits[:, -1], carry

    def step(state: tuple[Array, Carry], key: Key) -> tuple[tuple[Array, Carry], Array]:
        logits, carry = state
        # Logits divided by a temperature near 0 would be infinite.
        noise = temperature * jax.random.gumbel(key, logits.shape, logits.dtype)
        token = jnp.argmax(logits + noise, axis=-1).astype(prime.dtype)
        return read(token[:, None], carry), token

    start = read(prime, model.zeros(len(prime)))
    return jax.lax.scan(step, start, jax.random.split(key, length))[1].T
