"""Batch normalization (Ioffe & Szegedy, 2015)."""

from typing import Literal, NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from flax.linen.dtypes import promote_dtype
from jax import Array
from jaxtyping import Float

from dlfun.learner import gather_devices

Running = Literal["moving", "sums"]


class Moments(NamedTuple):
    """Count, mean and sum of squared deviations of a set of values, for each feature.

    With S = Σx and Q = Σx², the sums that [T3] keeps, `mean` is S/n and `squares` is Q - S²/n. The
    information is the same, without a difference of large numbers.
    """

    count: Float[Array, ""]  # type: ignore[assignment]  # Hides tuple.count, which is not used.
    mean: Float[Array, " features"]
    squares: Float[Array, " features"]
    """Σ (x - mean)²."""

    @property
    def variance(self) -> Float[Array, " features"]:
        """The mean squared deviation; 1 where the count is 0."""
        return jnp.where(self.count > 0, self.squares / _positive(self.count), 1)


def moments(x: Float[Array, "batch *space features"], weight: Float[Array, " batch"]) -> Moments:
    """Moments over all axes but the last, each example with its weight."""
    axes = tuple(range(x.ndim - 1))
    weight = weight.astype(x.dtype).reshape(-1, *(1,) * (x.ndim - 1))
    count = weight.sum() * x[0, ..., 0].size
    mean = (x * weight).sum(axes) / _positive(count)
    return Moments(count, mean, (jnp.square(x - mean) * weight).sum(axes))


def merge(a: Moments, b: Moments) -> Moments:
    """Moments of the union of two sets (Chan, Golub & LeVeque, 1983)."""
    count = a.count + b.count
    share = b.count / _positive(count)
    difference = b.mean - a.mean
    squares = a.squares + b.squares + jnp.square(difference) * a.count * share
    return Moments(count, a.mean + difference * share, squares)


def merge_devices(share: Moments) -> Moments:
    """Moments of the whole batch, from those of each device's share of it."""
    shares = gather_devices(share)
    counts = shares.count[:, None]
    count = shares.count.sum()
    mean = (counts * shares.mean).sum(0) / _positive(count)
    squares = shares.squares + counts * jnp.square(shares.mean - mean)
    return Moments(count, mean, squares.sum(0))


class BatchNorm(nn.Module):
    """Batch normalization γ (x - μ) / √(σ² + ε) + β, with μ, σ² over all axes but the last.

    While training, μ and σ² are those of the batch; in evaluation, the running statistics of the
    training, kept in the collection "batch_stats" either as

    - "moving" averages, running ← (1 - m) running + m batch, with the unbiased variance
      n/(n-1) σ², as in PyTorch;
    - "sums" over all examples seen in training [T3, sec. 3.1.5], kept as `Moments`: at the end the
      mean and variance of all examples seen.

    Attributes:
        running: "moving" or "sums".
        momentum: m, the weight of the newest batch; may be a traced array.
        epsilon: ε.
        zero_scale: start γ at 0 in place of 1, so that a residual branch starts as 0 (Goyal et al.,
            2017, sec. 5.1).
        across_devices: True if μ and σ² are those of the whole batch, False if those of the share
            on this device. The running statistics are always those of the whole batch.
    """

    running: Running = "moving"
    momentum: float | Array = 0.1
    epsilon: float = 1e-5
    zero_scale: bool = False
    across_devices: bool = True

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "batch *space features"],
        training: Float[Array, " batch"] | None = None,
    ) -> Float[Array, "batch *space features"]:
        """Normalize `x`; `training` is the weight of each example, None in evaluation."""
        features = x.shape[-1:]
        start = nn.initializers.zeros if self.zero_scale else nn.initializers.ones
        scale = self.param("scale", start, features)
        bias = self.param("bias", nn.initializers.zeros, features)
        values, scale, bias = promote_dtype(x, scale, bias)
        update = self._moving if self.running == "moving" else self._sums
        if training is None:
            mean, variance = update(features, None)
        else:
            share = moments(values, training)
            batch = merge_devices(share)
            update(features, batch)
            used = batch if self.across_devices else share
            mean, variance = used.mean, used.variance
        factor = scale * (variance + self.epsilon) ** -0.5
        return ((values - mean) * factor + bias).astype(x.dtype)

    def _moving(self, features: tuple[int, ...], batch: Moments | None) -> tuple[Array, Array]:
        mean = self.variable("batch_stats", "mean", jnp.zeros, features)
        variance = self.variable("batch_stats", "variance", jnp.ones, features)
        if batch is not None:
            # A batch that is all padding leaves the statistics unchanged.
            m = jnp.where(batch.count > 0, self.momentum, 0).astype(mean.value.dtype)
            unbiased = batch.squares / jnp.maximum(batch.count - 1, 1)
            mean.value = mean.value + m * (batch.mean - mean.value)
            variance.value = variance.value + m * (unbiased - variance.value)
        return mean.value, variance.value

    def _sums(self, features: tuple[int, ...], batch: Moments | None) -> tuple[Array, Array]:
        def empty() -> Moments:
            return Moments(jnp.zeros(()), jnp.zeros(features), jnp.zeros(features))

        seen = self.variable("batch_stats", "seen", empty)
        if batch is not None:
            seen.value = merge(seen.value, batch)
        return seen.value.mean, seen.value.variance


def _positive(count: Float[Array, ""]) -> Float[Array, ""]:
    """The count, or 1 where it is 0: a divisor for sums that are then 0."""
    return jnp.where(count > 0, count, 1)
