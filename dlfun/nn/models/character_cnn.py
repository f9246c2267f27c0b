"""The convolutional network of characters (Zhang, Zhao & LeCun 2015)."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int, UInt8

from dlfun.nn.layers.conv import Conv
from dlfun.nn.layers.dropout import Dropout
from dlfun.nn.layers.pooling import Pool

WINDOWS = (7, 7, 3, 3, 3, 3)
POOLED = (0, 1, 5)
"""Layers after which the maximum of 3 positions is taken."""
SIZES = {"small": (256, 1024, 0.05), "large": (1024, 2048, 0.02)}
"""Channels, hidden units and the deviation of the first weights, of the paper's two networks."""


class CharacterCNN(nn.Module):
    """Six convolutions of one-hot characters and two hidden layers with dropout: logits.

    Windows are of 7, 7, 3, 3, 3 and 3 characters, without padding; after layers 1, 2 and 6 comes
    the maximum of 3 positions. Of l characters (l - 96) / 27 positions are left. Weights start from
    N(0, deviation²), biases from 0.

    Attributes:
        classes: number of classes.
        alphabet: number of known characters, whose numbers begin with 2; others are zero vectors.
        features: channels of each convolution.
        hidden: units of each hidden layer.
        deviation: standard deviation of the first weights.
        dropout: rate of dropout of both hidden layers.
    """

    classes: int
    alphabet: int
    features: int = 256
    hidden: int = 1024
    deviation: float | Array = 0.05
    dropout: float | Array = 0.5

    @nn.compact
    def __call__(
        self,
        x: UInt8[Array, "batch length"] | Int[Array, "batch length"],
        training: Float[Array, " batch"] | None = None,
    ) -> Float[Array, "batch classes"]:
        """Logits; `training` is the weight of each text, None in evaluation.

        Raises ValueError where a text is too short for the windows.
        """

        def normal(key: Array, shape: Any, dtype: Any = jnp.float32) -> Array:
            return self.deviation * jax.random.normal(key, shape, dtype)

        y = jax.nn.one_hot(x, self.alphabet + 2)[..., 2:]
        for number, window in enumerate(WINDOWS):
            y = nn.relu(
                Conv(
                    self.features,
                    (window,),
                    padding="VALID",
                    kernel_init=normal,
                    bias_init=nn.initializers.zeros,
                )(y)
            )
            y = Pool(window=3)(y) if number in POOLED else y
        y = y.reshape(len(y), -1)
        for _ in range(2):
            y = nn.relu(nn.Dense(self.hidden, kernel_init=normal)(y))
            y = Dropout(self.dropout)(y, training)
        return nn.Dense(self.classes, kernel_init=normal)(y)
