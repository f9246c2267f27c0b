"""Blocks of the Transformer (Vaswani et al., 2017), and positions as vectors."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int

from dlfun.config import is_zero
from dlfun.nn.initializers import SCHEMES, Initializer
from dlfun.nn.layers.attention import Cache, Mask, MultiHeadAttention, causal_mask, write
from dlfun.nn.layers.dense import dot_general
from dlfun.nn.layers.dropout import Dropout


def sinusoids(length: int, features: int) -> Float[np.ndarray, "length features"]:
    """Vectors of the positions 0, 1, … (Vaswani et al., 2017, sec. 3.5).

    Columns 2i and 2i + 1 hold sin and cos of position / 10000^(2i / features): those of a position
    k further on are a rotation of these by k.
    """
    pairs = np.arange(0, features, 2)
    angle = np.arange(length)[:, None] / 10_000 ** (pairs / features)
    interleaved = np.stack([np.sin(angle), np.cos(angle)], axis=-1).reshape(length, -1)
    return interleaved[:, :features].astype(np.float32)


class Memory(NamedTuple):
    """The encoder's output as a decoder's block reads it."""

    cache: Cache
    mask: Mask


class TransformerBlock(nn.Module):
    """Self-attention, attention to a memory if there is one, and a network of two dense layers.

    Around each is a residual connection: x + f(norm(x)) before the sum, "pre-norm", or
    norm(x + f(x)) after it, "post-norm", as in the paper. With `reads` it is a block of a decoder,
    otherwise of an encoder, or of a language model where the mask is causal. Equal to PyTorch's
    nn.TransformerEncoderLayer and nn.TransformerDecoderLayer with the same weights.

    Attributes:
        features: size of the inputs and outputs.
        heads: number of heads.
        hidden: units between the two dense layers.
        reads: whether there is attention to a memory.
        pre_norm: whether each part's input is normalized, in place of the sums.
        dropout: rate of dropout of the attention weights and of each part's output, and, where
            `inner_dropout`, of the hidden units, as in PyTorch.
        activation: of the hidden units.
        use_bias: whether dense layers and normalization have biases.
        kernel_init: initializer of the kernels.
        last_kernel_init: initializer of the last kernel before each sum; `kernel_init` by default.
    """

    features: int
    heads: int
    hidden: int
    reads: bool = False
    pre_norm: bool = True
    dropout: float | Array = 0.0
    inner_dropout: bool = True
    activation: Callable[[Array], Array] = nn.relu
    use_bias: bool = True
    kernel_init: Initializer = SCHEMES["glorot"]
    last_kernel_init: Initializer | None = None

    def setup(self) -> None:
        def attention() -> MultiHeadAttention:
            return MultiHeadAttention(
                self.features,
                self.heads,
                self.dropout,
                self.use_bias,
                self.kernel_init,
                self.last_kernel_init,
            )

        def norm() -> nn.LayerNorm:
            return nn.LayerNorm(epsilon=1e-5, use_bias=self.use_bias)

        self.attention, self.attention_norm = attention(), norm()
        if self.reads:
            self.reading, self.reading_norm = attention(), norm()
        dense = partial(nn.Dense, use_bias=self.use_bias, dot_general=dot_general)
        self.first = dense(self.hidden, kernel_init=self.kernel_init)
        self.second = dense(self.features, kernel_init=self.last_kernel_init or self.kernel_init)
        self.dense_norm = norm()
        self.drop = Dropout(self.dropout)

    def __call__(
        self,
        x: Float[Array, "batch time features"],
        mask: Mask | None = None,
        memory: Memory | None = None,
        training: Float[Array, " batch"] | None = None,
    ) -> Float[Array, "batch time features"]:
        """The outputs; `mask` is that of self-attention.

        `training` is the weight of each example while training, for dropout.
        """

        def attend(x: Array) -> Array:
            return self.attention(x, x, mask, training)

        return self._rest(self._add(x, attend, self.attention_norm, training), memory, training)

    def step(
        self,
        x: Float[Array, "batch time features"],
        cache: Cache,
        position: int | Int[Array, ""],
        memory: Memory | None = None,
    ) -> tuple[Float[Array, "batch time features"], Cache]:
        """The outputs at the positions from `position` on under a causal mask, and the new cache.

        The cache holds keys and values of the positions before, and has room for these.
        """
        new = self.attention.project(self.attention_norm(x) if self.pre_norm else x)
        cache = write(cache, new, position)
        mask = causal_mask(x.shape[1], cache.keys.shape[2], position)

        def attend(x: Array) -> Array:
            return self.attention.read(x, cache, mask)

        return self._rest(self._add(x, attend, self.attention_norm), memory), cache

    def empty_cache(self, rows: int, length: int) -> Cache:
        """A cache of zeros with room for `length` positions."""
        shape = (rows, self.heads, length, self.features // self.heads)
        return Cache(jnp.zeros(shape), jnp.zeros(shape))

    def _rest(self, x: Array, memory: Memory | None, training: Array | None = None) -> Array:
        """The layers of the block that follow self-attention."""
        if memory is not None:

            def read(x: Array) -> Array:
                return self.reading.read(x, memory.cache, memory.mask, training)

            x = self._add(x, read, self.reading_norm, training)

        def dense(x: Array) -> Array:
            h = self.activation(self.first(x))
            return self.second(self._dropped(h, training) if self.inner_dropout else h)

        return self._add(x, dense, self.dense_norm, training)

    def _add(
        self,
        x: Array,
        part: Callable[[Array], Array],
        norm: nn.LayerNorm,
        training: Array | None = None,
    ) -> Array:
        if self.pre_norm:
            return x + self._dropped(part(norm(x)), training)
        return norm(x + self._dropped(part(x), training))

    def _dropped(self, x: Array, training: Array | None) -> Array:
        return x if is_zero(self.dropout) else self.drop(x, training)
