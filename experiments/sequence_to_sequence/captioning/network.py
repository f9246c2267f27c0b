"""A convolutional network that looks at an image, and a recurrent one that writes what it reads."""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int, UInt8

from dlfun.data.images import normalize
from dlfun.nn.initializers import he
from dlfun.nn.kernels.cache_blocks import in_cache_blocks
from dlfun.nn.layers.attention import AdditiveAttention
from dlfun.nn.layers.conv import Conv
from dlfun.nn.layers.pooling import Pool
from dlfun.nn.layers.recurrent import Recurrent
from dlfun.nn.models.blocks import he_conv

INPUTS = normalize(0.065, 0.228)
"""Canvases with mean 0 and deviation 1, roughly."""
Memory = Float[Array, "batch places features"]


class Captioner(nn.Module):
    """Convolutions whose maps a recurrent layer reads by attention, a place a word.

    3×3 convolutions with ReLU, each followed by 2×2 max-pooling but the last, end in a vector for
    each place of the image, to which its row and its column are added, one-hot. At step t the state
    h_{t-1} is the query by which the context c_t is read from all places; then
    h_t = GRU([y_{t-1}; c_t], h_{t-1}), and logits come from [h_t; c_t] by a dense layer: "soft"
    attention of Xu et al. (2015), by the score of Bahdanau et al. (2015). As the context says where
    it was read, the state knows which places come next.

    Attributes:
        words: number of words.
        channels: channels of each convolution.
        hidden: size of a word's embedding, of the attention's layer and of the state.
    """

    words: int
    channels: Sequence[int]
    hidden: int

    def setup(self) -> None:
        self.eye = Eye(self.channels)
        self.embedding = nn.Embed(self.words, self.hidden)
        self.attend = AdditiveAttention(self.hidden)
        self.writer = Recurrent(self.hidden, "gru")
        self.logits = nn.Dense(self.words)

    def __call__(
        self,
        image: UInt8[Array, "batch height width in"],
        before: Int[Array, "batch time"],
        training: Float[Array, " batch"] | None = None,
    ) -> Float[Array, "batch time words"]:
        """Logits of each word of captions, from the word before it."""
        return self._write(self.encode(image), before)[0]

    def encode(self, image: UInt8[Array, "batch height width in"]) -> Memory:
        """A vector for each place of an image, its row and column at the end."""
        return self.eye(INPUTS(image))

    def begin(self, memory: Memory, longest: int) -> tuple[Array, ...]:
        """The state before the first word: zeros."""
        return (jnp.zeros((len(memory), self.hidden)),)

    def step(
        self, memory: Memory, state: Any, word: Int[Array, " rows"], position: Int[Array, ""]
    ) -> tuple[Float[Array, "rows words"], Any]:
        """Logits of the next words, and the new state."""
        logits, state, _ = self._step(memory, state, word)
        return logits, state

    def weights(
        self, image: UInt8[Array, "batch height width in"], before: Int[Array, "batch time"]
    ) -> Float[Array, "batch time places"]:
        """The weights of attention at each step."""
        return self._write(self.encode(image), before)[1]

    def places(self, height: int, width: int) -> tuple[int, int]:
        """The rows and columns of the places of an image."""
        shrink = 2 ** (len(self.channels) - 1)
        return height // shrink, width // shrink

    def _write(self, memory: Memory, before: Array) -> tuple[Array, Array]:
        """Logits and weights of all steps, one after another: each needs the state before it."""
        state, steps = self.begin(memory, before.shape[1]), []
        for word in before.T:
            logits, state, weights = self._step(memory, state, word)
            steps.append((logits, weights))
        all_logits, all_weights = zip(*steps, strict=True)
        return jnp.stack(all_logits, axis=1), jnp.stack(all_weights, axis=1)

    def _step(self, memory: Memory, state: Any, word: Array) -> tuple[Array, Any, Array]:
        query, everywhere = state[0][:, None], jnp.ones((1, memory.shape[1]), bool)
        context, weights = self.attend(query, memory, everywhere)
        inputs = jnp.concatenate([self.embedding(word)[:, None], context], axis=-1)
        h, state = self.writer(inputs, state)
        logits = self.logits(jnp.concatenate([h, context], axis=-1)[:, 0])
        return logits, state, weights[:, 0]


class Eye(nn.Module):
    """The convolutions of a `Captioner`.

    Attributes:
        channels: channels of each convolution.
    """

    channels: Sequence[int]

    @nn.compact
    def __call__(self, x: Float[Array, "batch height width in"]) -> Memory:
        """A vector for each place of the last maps, row by row, and the place's row and column."""
        *first, last = self.channels
        for features in first:
            conv = Conv(features, kernel_init=he, bias_init=nn.initializers.zeros)
            # ReLU may follow the maximum: the same values for a quarter of the work.
            x = nn.relu(in_cache_blocks([conv, Pool()], x))
        x = nn.relu(he_conv(x, last, use_bias=True))
        batch, height, width, _ = x.shape
        shape = (batch, height, width)
        rows = jnp.broadcast_to(jnp.eye(height)[:, None], (*shape, height))
        columns = jnp.broadcast_to(jnp.eye(width), (*shape, width))
        vectors = jnp.concatenate([x, rows, columns], axis=-1)
        return vectors.reshape(batch, height * width, last + height + width)
