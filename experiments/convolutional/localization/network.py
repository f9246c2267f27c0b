"""A convolutional network that attends to a place of an image: what lies there, and its box."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dlfun.nn.layers.dense import dense
from dlfun.nn.layers.pooling import Pool
from dlfun.nn.models.blocks import he_conv


class Detector(nn.Module):
    """Convolutions, soft attention over the places of their last maps, a class head and a box head.

    3×3 convolutions with ReLU, 2×2 max-pooling between them, end in maps f_p, p being the place in
    units of the image's side. With attention a = softmax(w·f_p) over all p, one hidden layer reads
    Σ a_p f_p. From it one dense layer makes logits, and one the box beside Σ a_p p, the place
    attended to ("spatial softmax", Levine et al. 2016). Places are told by the attention alone, so
    a digit is learned for all of them at once.
    """

    channels: Sequence[int]
    hidden: int
    classes: int

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width in"]
    ) -> tuple[Float[Array, "batch classes"], Float[Array, "batch 4"]]:
        """Logits, and boxes [top, left, bottom, right] in units of the image's side."""
        for number, features in enumerate(self.channels):
            x = Pool()(x) if number else x
            x = nn.relu(he_conv(x, features, use_bias=True))
        height, width = x.shape[1:3]
        attention = jax.nn.softmax(he_conv(x, 1, window=1).reshape(len(x), -1))
        rows, columns = ((jnp.arange(n, dtype=jnp.float32) + 0.5) / n for n in (height, width))
        positions = jnp.stack(jnp.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)
        read = jnp.einsum("bp,bpf->bf", attention, x.reshape(len(x), len(positions), -1))
        hidden = nn.relu(dense(read, self.hidden, "he"))
        return dense(hidden, self.classes), dense(hidden, 4) + jnp.tile(attention @ positions, 2)
