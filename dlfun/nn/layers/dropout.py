"""Dropout (Srivastava et al., 2014)."""

from functools import partial

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Key

from dlfun.learner import batch_noise
from dlfun.random import bernoulli


def dropout(
    key: Key[Array, ""], x: Float[Array, "*shape"], rate: float | Array
) -> Float[Array, "*shape"]:
    """Set elements to 0 with probability `rate`, others to x / (1 - rate): the expectation is x.

    `rate` may be a traced array, so the code does not branch on it. Rate 0 is the identity, because
    uniform random numbers are below 1.
    """
    keep = jnp.asarray(1 - rate, x.dtype)

    kept = batch_noise(partial(bernoulli, key, keep), x.shape)
    return jnp.where(kept, x / keep, 0)


class Dropout(nn.Module):
    """Dropout while training, from the random stream "dropout"; the identity in evaluation.

    Raises:
        ValueError: a rate outside [0, 1), where it is a Python number.
    """

    rate: float | Array

    @nn.compact
    def __call__(
        self, x: Float[Array, "*shape"], training: Float[Array, " batch"] | None = None
    ) -> Float[Array, "*shape"]:
        """Drop elements of x; `training` is the weight of each example, None in evaluation."""
        if isinstance(self.rate, float) and not 0 <= self.rate < 1:
            raise ValueError(f"dropout: a rate is at least 0 and less than 1, not {self.rate}")
        return x if training is None else dropout(self.make_rng("dropout"), x, self.rate)
