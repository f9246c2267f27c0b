"""GPT: a Transformer that predicts the next token of a text (Radford et al., 2018)."""

from collections.abc import Callable

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from dlfun.config import is_zero
from dlfun.nn.decoding import Step
from dlfun.nn.layers.attention import causal_mask
from dlfun.nn.layers.dense import attend
from dlfun.nn.layers.dropout import Dropout
from dlfun.nn.layers.transformer import TransformerBlock

Logits = Callable[[Int[Array, "rows context"]], Float[Array, "rows context vocabulary"]]


class GPT(nn.Module):
    """Embeddings of tokens and of positions, pre-norm blocks, logits by the tokens' embeddings.

    As in nanoGPT (Karpathy 2022): no biases, kernels and embeddings from N(0, 0.02²), the last
    kernel before each sum from N(0, 0.02² / 2 layers). GELU is GPT's, by tanh: nanoGPT's exact one
    takes a third longer on a CPU.

    Attributes:
        vocabulary: number of tokens.
        context: number of positions.
        features: size of an embedding.
        heads: number of heads of each block.
        layers: number of blocks.
        dropout: rate of dropout of embeddings, attention weights, and outputs of parts of blocks.
    """

    vocabulary: int
    context: int = 64
    features: int = 128
    heads: int = 4
    layers: int = 4
    dropout: float | Array = 0.0

    @nn.compact
    def __call__(
        self, tokens: Int[Array, "batch time"], training: Float[Array, " batch"] | None = None
    ) -> Float[Array, "batch time vocabulary"]:
        """Logits of the token after each; `training` is the weight of each text, for dropout.

        Raises ValueError where a text is longer than the context.
        """
        time = tokens.shape[1]
        if time > self.context:
            raise ValueError(f"a text of {time} tokens, longer than the context of {self.context}")
        normal = nn.initializers.normal(0.02)
        embed = nn.Embed(self.vocabulary, self.features, embedding_init=normal)
        positions = self.param("positions", normal, (self.context, self.features))
        x = embed(tokens) + positions[:time]
        x = x if is_zero(self.dropout) else Dropout(self.dropout)(x, training)
        for _ in range(self.layers):
            x = TransformerBlock(
                self.features,
                self.heads,
                4 * self.features,
                dropout=self.dropout,
                inner_dropout=False,
                activation=nn.gelu,
                use_bias=False,
                kernel_init=normal,
                last_kernel_init=nn.initializers.normal(0.02 / (2 * self.layers) ** 0.5),
            )(x, causal_mask(time, time), training=training)
        return attend(embed, nn.LayerNorm(epsilon=1e-5, use_bias=False)(x))


def sliding_window(
    logits: Logits, context: int, prime: Int[Array, "rows time"]
) -> tuple[Step, Int[Array, "rows context"], int]:
    """A step of decoding that reads the last `context` tokens anew, what it remembers, a position.

    Positions are learned, so keys and values cannot be kept once the window moves. `generate` goes
    on from the last token of the prime at the position that is returned.
    """

    def step(window: Array, token: Array, position: Array) -> tuple[Array, Array]:
        window = jnp.where(position >= context, jnp.roll(window, -1, axis=1), window)
        at = jnp.minimum(position, context - 1)
        window = window.at[:, at].set(token)
        return logits(window)[:, at], window

    before = prime[:, :-1][:, -context:]
    empty = jnp.zeros((len(prime), context), prime.dtype)
    return step, empty.at[:, : before.shape[1]].set(before), before.shape[1]
