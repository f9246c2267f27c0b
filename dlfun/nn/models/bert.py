"""A Transformer that reads in both directions, with heads for tokens and classes (BERT)."""

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from dlfun.config import is_zero
from dlfun.nn.layers.attention import padding_mask
from dlfun.nn.layers.dense import attend
from dlfun.nn.layers.dropout import Dropout
from dlfun.nn.layers.transformer import TransformerBlock
from dlfun.nn.models.blocks import Weights


class Encoder(nn.Module):
    """Vectors of tokens and of positions, then blocks of self-attention over the whole sentence.

    As BERT (Devlin et al. 2019), with GELU and normalized vectors from N(0, 0.02²), but for blocks
    that normalize before their parts, and kernels by Glorot's scheme.

    Attributes:
        vocabulary: number of tokens.
        context: number of positions.
        features: size of a vector.
        heads: number of heads of each block.
        layers: number of blocks, with 4 · features hidden units.
        dropout: rate of dropout of vectors, attention weights and outputs.
    """

    vocabulary: int
    context: int
    features: int = 64
    heads: int = 4
    layers: int = 2
    dropout: float | Array = 0.1

    def setup(self) -> None:
        normal = nn.initializers.normal(0.02)
        self.tokens = nn.Embed(self.vocabulary, self.features, embedding_init=normal)
        self.positions = self.param("positions", normal, (self.context, self.features))
        self.blocks = [
            TransformerBlock(
                self.features,
                self.heads,
                4 * self.features,
                dropout=self.dropout,
                inner_dropout=False,
                activation=nn.gelu,
            )
            for _ in range(self.layers)
        ]
        self.first_norm, self.norm = nn.LayerNorm(epsilon=1e-5), nn.LayerNorm(epsilon=1e-5)
        self.drop = Dropout(self.dropout)

    def __call__(
        self,
        tokens: Int[Array, "batch time"],
        lengths: Int[Array, " batch"],
        training: Weights = None,
    ) -> Float[Array, "batch time features"]:
        """A vector for each token; those beyond the end mean nothing."""
        time = tokens.shape[1]
        x = self.first_norm(self.tokens(tokens) + self.positions[:time])
        x = x if is_zero(self.dropout) else self.drop(x, training)
        for block in self.blocks:
            x = block(x, padding_mask(lengths, time), training=training)
        return self.norm(x)

    def attend(self, x: Float[Array, "*shape features"]) -> Float[Array, "*shape vocabulary"]:
        """The products of vectors with those of all tokens."""
        return attend(self.tokens, x)


class TokenPredictor(nn.Module):
    """Logits of the tokens at some places of a sentence: a dense layer and the tokens' vectors."""

    encoder: Encoder

    @nn.compact
    def __call__(
        self,
        tokens: Int[Array, "batch time"],
        lengths: Int[Array, " batch"],
        places: Int[Array, "batch places"],
        training: Weights = None,
    ) -> Float[Array, "batch places vocabulary"]:
        """Logits; `training` is the weight of each sentence, None in evaluation."""
        x = self.encoder(tokens, lengths, training)
        x = jnp.take_along_axis(x, places[..., None], axis=1)
        x = nn.LayerNorm(epsilon=1e-5)(nn.gelu(nn.Dense(x.shape[-1])(x)))
        bias = self.param("bias", nn.initializers.zeros, (self.encoder.vocabulary,))
        return self.encoder.attend(x) + bias


class SentenceReader(nn.Module):
    """Logits of classes from the mean of the encoder's vectors.

    BERT classifies by a token of its own, which next-sentence prediction trains; there is none
    here.
    """

    encoder: Encoder
    classes: int
    dropout: float | Array = 0.1

    @nn.compact
    def __call__(
        self,
        tokens: Int[Array, "batch time"],
        lengths: Int[Array, " batch"],
        training: Weights = None,
    ) -> Float[Array, "batch classes"]:
        """Logits; `training` is the weight of each sentence, None in evaluation."""
        x = self.encoder(tokens, lengths, training)
        inside = jnp.arange(x.shape[1]) < lengths[:, None]
        mean = jnp.where(inside[..., None], x, 0).sum(axis=1) / lengths[:, None].astype(x.dtype)
        return nn.Dense(self.classes)(Dropout(self.dropout)(mean, training))
