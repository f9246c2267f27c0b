"""Attention: what a query reads from a sequence of vectors, by additive or by product scores.

All compute weights α = softmax(score) over the positions of a memory and return Σ_s α_s value_s.
A mask is True where a query may read; a query that may read nothing reads all alike.
"""

from functools import partial
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from dlfun.config import is_zero
from dlfun.nn.initializers import SCHEMES, Initializer
from dlfun.nn.layers.dense import dot_general
from dlfun.nn.layers.dropout import Dropout

Mask = Bool[Array, "#batch #heads #queries keys"]
Read = tuple[Float[Array, "batch queries features"], Float[Array, "batch queries keys"]]
"""The weighted sums that queries read from a memory, and the weights."""


def padding_mask(lengths: Int[Array, " batch"], longest: int) -> Bool[Array, "batch 1 1 longest"]:
    """True at the positions before the end of each sequence."""
    return (jnp.arange(longest) < lengths[:, None])[:, None, None]


def causal_mask(
    queries: int, keys: int, first: int | Int[Array, ""] = 0
) -> Bool[Array, "1 1 queries keys"]:
    """True where the key's position is at most the query's: the first query's is `first`."""
    return (jnp.arange(keys) <= first + jnp.arange(queries)[:, None])[None, None]


class AdditiveAttention(nn.Module):
    """Attention with the score v · tanh(W q + U m_s + b) (Bahdanau et al., 2015, sec. A.1.2).

    Attributes:
        features: size of the hidden layer, that of v.
    """

    features: int

    @nn.compact
    def __call__(
        self,
        query: Float[Array, "batch queries size"],
        memory: Float[Array, "batch keys features"],
        mask: Bool[Array, "#batch keys"],
    ) -> Read:
        """The weighted sum of the memory for each query, and the weights."""
        q = nn.Dense(self.features, use_bias=False, name="query")(query)
        m = nn.Dense(self.features, name="memory")(memory)
        hidden = jnp.tanh(q[:, :, None] + m[:, None])
        return _read(nn.Dense(1, use_bias=False, name="score")(hidden)[..., 0], memory, mask)


class MultiplicativeAttention(nn.Module):
    """Attention with the score q · W m_s, "general" in Luong et al. (2015, sec. 3.1)."""

    @nn.compact
    def __call__(
        self,
        query: Float[Array, "batch queries size"],
        memory: Float[Array, "batch keys features"],
        mask: Bool[Array, "#batch keys"],
    ) -> Read:
        """The weighted sum of the memory for each query, and the weights."""
        q = nn.Dense(memory.shape[-1], use_bias=False, name="query")(query)
        return _read(jnp.einsum("bqf,bkf->bqk", q, memory), memory, mask)


def _read(
    score: Float[Array, "batch queries keys"],
    memory: Float[Array, "batch keys features"],
    mask: Bool[Array, "#batch keys"],
) -> Read:
    weights = jax.nn.softmax(_masked(score, mask[:, None]))
    return jnp.einsum("bqk,bkf->bqf", weights, memory), weights


def _masked(score: Array, mask: Array | None) -> Array:
    # Not -inf: a row of these alone would be nan.
    return score if mask is None else jnp.where(mask, score, jnp.finfo(score.dtype).min)


class Cache(NamedTuple):
    """Keys and values of a sequence, by head.

    Heads come before positions: so a step of decoding reads them as they lie in memory.
    """

    keys: Float[Array, "batch heads keys size"]
    values: Float[Array, "batch heads keys size"]


def write(cache: Cache, new: Cache, position: int | Int[Array, ""]) -> Cache:
    """The cache with the keys and values of some positions, `position` the first, replaced."""

    def put(old: Array, part: Array) -> Array:
        return jax.lax.dynamic_update_slice_in_dim(old, part, position, axis=2)

    return Cache(put(cache.keys, new.keys), put(cache.values, new.values))


class MultiHeadAttention(nn.Module):
    """Attention by scaled products, in several heads side by side (Vaswani et al., 2017, sec. 3.2).

    Head i: softmax(Q_i K_iᵀ / √d) V_i with Q_i = x W_i + b_i and so on, d = features / heads; then
    a dense layer on all heads. The parameters are those of Flax's `MultiHeadDotProductAttention`.
    That one needs a number for the rate of dropout, which may be traced here, and it would compute
    keys and values of a decoder's memory anew at each step.

    Attributes:
        features: size of the inputs and outputs.
        heads: number of heads, which divides `features`.
        dropout: rate of dropout of the weights.
        use_bias: whether the dense layers have biases.
        kernel_init: initializer of the kernels.
        last_kernel_init: that of the last dense layer; `kernel_init` by default.
    """

    features: int
    heads: int
    dropout: float | Array = 0.0
    use_bias: bool = True
    kernel_init: Initializer = SCHEMES["glorot"]
    last_kernel_init: Initializer | None = None

    def setup(self) -> None:
        if self.features % self.heads:
            raise ValueError(f"{self.features} features do not divide by {self.heads} heads")
        shape = (self.heads, self.features // self.heads)
        dense = partial(nn.DenseGeneral, use_bias=self.use_bias, dot_general=dot_general)
        self.query, self.key, self.value = (
            dense(shape, kernel_init=self.kernel_init) for _ in range(3)
        )
        last = self.last_kernel_init or self.kernel_init
        self.out = dense(self.features, axis=(-2, -1), kernel_init=last)
        self.drop = Dropout(self.dropout)

    def __call__(
        self,
        x: Float[Array, "batch queries features"],
        memory: Float[Array, "batch keys inputs"],
        mask: Mask | None = None,
        training: Float[Array, " batch"] | None = None,
    ) -> Float[Array, "batch queries features"]:
        """The output for each position of x as a query to the memory: x itself in self-attention.

        `training` is the weight of each example while training, for dropout.
        """
        return self.read(x, self.project(memory), mask, training)

    def project(self, memory: Float[Array, "batch keys inputs"]) -> Cache:
        """Keys and values of a memory, to be read by `read`."""
        return Cache(self.key(memory).swapaxes(1, 2), self.value(memory).swapaxes(1, 2))

    def read(
        self,
        x: Float[Array, "batch queries features"],
        cache: Cache,
        mask: Mask | None = None,
        training: Float[Array, " batch"] | None = None,
    ) -> Float[Array, "batch queries features"]:
        """The output for each position of x as a query to keys and values."""
        q = self.query(x)
        score = jnp.einsum("bqhd,bhkd->bhqk", q, cache.keys) * q.shape[-1] ** -0.5
        weights = jax.nn.softmax(_masked(score, mask))
        self.sow("intermediates", "attention_weights", weights)
        if not is_zero(self.dropout):
            weights = self.drop(weights, training)
        return self.out(jnp.einsum("bhqk,bhkd->bqhd", weights, cache.values))
