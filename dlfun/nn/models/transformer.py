"""The Transformer: an encoder and a decoder of attention alone (Vaswani et al., 2017)."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from dlfun.nn.layers.attention import Cache, causal_mask, padding_mask
from dlfun.nn.layers.dense import attend
from dlfun.nn.layers.dropout import Dropout
from dlfun.nn.layers.transformer import Memory, TransformerBlock, sinusoids


class Transformer(nn.Module):
    """Blocks that encode the source sentence, and blocks that read their output and write.

    Embeddings from N(0, 1/features) times √features plus sinusoids of the positions; logits by the
    embeddings of the target language (Press, Wolf, 2017).

    Attributes:
        source: number of words of the source language.
        target: number of words of the target language.
        features: size of an embedding.
        heads: number of heads of each block.
        layers: number of blocks of the encoder, and of the decoder.
        hidden: units of the dense layers of each block.
        pre_norm: whether the parts' inputs are normalized, in place of their sums.
        dropout: rate of dropout, as in `TransformerBlock`, and of the embeddings.
    """

    source: int
    target: int
    features: int = 256
    heads: int = 8
    layers: int = 3
    hidden: int = 512
    pre_norm: bool = True
    dropout: float | Array = 0.0

    def setup(self) -> None:
        def block(reads: bool) -> TransformerBlock:
            sizes = self.features, self.heads, self.hidden
            return TransformerBlock(*sizes, reads, self.pre_norm, self.dropout)

        def embed(words: int) -> nn.Embed:
            normal = nn.initializers.normal(self.features**-0.5)
            return nn.Embed(words, self.features, embedding_init=normal)

        self.source_embedding, self.target_embedding = embed(self.source), embed(self.target)
        self.encoder = [block(False) for _ in range(self.layers)]
        self.decoder = [block(True) for _ in range(self.layers)]
        if self.pre_norm:
            self.encoder_norm, self.decoder_norm = nn.LayerNorm(), nn.LayerNorm()
        self.drop = Dropout(self.dropout)

    def __call__(
        self,
        x: Int[Array, "batch source"],
        length: Int[Array, " batch"],
        before: Int[Array, "batch time"],
        training: Float[Array, " batch"] | None = None,
    ) -> Float[Array, "batch time words"]:
        """Logits of each word of translations, from the words before it."""
        memory = self.encode(x, length, training)
        time = before.shape[1]
        encoding = sinusoids(time, self.features)
        y = self._embedded(self.target_embedding, before, encoding, training)
        for block, part in zip(self.decoder, memory, strict=True):
            y = block(y, causal_mask(time, time), part, training)
        return self._logits(y)

    def encode(
        self,
        x: Int[Array, "batch source"],
        length: Int[Array, " batch"],
        training: Float[Array, " batch"] | None = None,
    ) -> tuple[Memory, ...]:
        """Keys and values of source sentences for each block of the decoder."""
        encoding, mask = sinusoids(x.shape[1], self.features), padding_mask(length, x.shape[1])
        h = self._embedded(self.source_embedding, x, encoding, training)
        for block in self.encoder:
            h = block(h, mask, None, training)
        h = self.encoder_norm(h) if self.pre_norm else h
        return tuple(Memory(block.reading.project(h), mask) for block in self.decoder)

    def begin(self, memory: tuple[Memory, ...], longest: int) -> tuple[Cache, ...]:
        """Caches with room for `longest` words."""
        return tuple(b.empty_cache(len(memory[0].mask), longest) for b in self.decoder)

    def step(
        self,
        memory: tuple[Memory, ...],
        caches: tuple[Cache, ...],
        word: Int[Array, " rows"],
        position: Int[Array, ""],
    ) -> tuple[Float[Array, "rows words"], tuple[Cache, ...]]:
        """Logits of the next words, and the new caches."""
        room = caches[0].keys.shape[2]
        encoding = jnp.asarray(sinusoids(room, self.features))[position]
        y = self._embedded(self.target_embedding, word[:, None], encoding)
        new = []
        for block, cache, part in zip(self.decoder, caches, memory, strict=True):
            y, cache = block.step(y, cache, position, part)
            new.append(cache)
        return self._logits(y)[:, 0], tuple(new)

    def _embedded(
        self, embedding: nn.Embed, words: Array, encoding: Any, training: Array | None = None
    ) -> Array:
        return self.drop(embedding(words) * self.features**0.5 + encoding, training)

    def _logits(self, y: Array) -> Array:
        y = self.decoder_norm(y) if self.pre_norm else y
        return attend(self.target_embedding, y)
