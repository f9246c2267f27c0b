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
    """What a set of values says of each feature.

    With S = Σx and Q = Σx², the sums that [T3] keeps, `mean` is S/n and `squares` is Q - S²/n:
    the same knowledge, but no difference of large numbers has to be taken for it.
    """

    count: Float[Array, ""]  # type: ignore[assignment]  # Hides tuple.count, which nobody calls.
    mean: Float[Array, " features"]
    squares: Float[Array, " features"]
    """Σ (x - mean)²."""

    @property
    def variance(self) -> Float[Array, " features"]:
        """The mean squared deviation; 1 where nothing was counted."""
        return jnp.where(self.count > 0, self.squares / _positive(self.count), 1)


def moments(x: Float[Array, "batch *space features"], weight: Float[Array, " batch"]) -> Moments:
    """Moments over all axes but the last, each example counted by its weight."""
    axes = tuple(range(x.ndim - 1))
    weight = weight.astype(x.dtype).reshape(-1, *(1,) * (x.ndim - 1))
    count = weight.sum() * x[0, ..., 0].size
    mean = (x * weight).sum(axes) / _positive(count)
    return Moments(count, mean, (jnp.square(x - mean) * weight).sum(axes))


def merge(a: Moments, b: Moments) -> Moments:
    """Moments of two sets taken together (Chan, Golub & LeVeque, 1983)."""
    count = a.count + b.count
    share = b.count / _positive(count)
    apart = b.mean - a.mean
    squares = a.squares + b.squares + jnp.square(apart) * a.count * share
    return Moments(count, a.mean + apart * share, squares)


def merge_devices(own: Moments) -> Moments:
    """Moments of the whole batch, from those of each device's part of it."""
    part = gather_devices(own)
    counts = part.count[:, None]
    count = part.count.sum()
    mean = (counts * part.mean).sum(0) / _positive(count)
    squares = part.squares + counts * jnp.square(part.mean - mean)
    return Moments(count, mean, squares.sum(0))


class BatchNorm(nn.Module):
    """γ (x - μ) / √(σ² + ε) + β, with μ, σ² over all axes but the last.

    While training μ and σ² are the batch's own, in evaluation the running ones of training, kept in
    the collection "batch_stats" either as

    - "moving" averages, running ← (1 - m) running + m batch's, the variance in its unbiased form
      n/(n-1) σ², as in PyTorch;
    - "sums" over all examples seen in training [T3, sec. 3.1.5], which at the end are the mean and
      variance of all that was seen. Kept as `Moments`.

    Attributes:
        running: "moving" or "sums".
        momentum: m, the weight of the newest batch; may be a traced array.
        epsilon: ε.
        zero_scale: start γ at 0 in place of 1, so that a residual branch starts as nothing (Goyal
            et al., 2017, sec. 5.1).
        across_devices: μ and σ² of the whole batch, or of the part on this device alone. The
            running statistics are those of the whole batch in either case.
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
        kept = self._moving if self.running == "moving" else self._sums
        if training is None:
            mean, variance = kept(features, None)
        else:
            own = moments(values, training)
            whole = merge_devices(own)
            kept(features, whole)
            used = whole if self.across_devices else own
            mean, variance = used.mean, used.variance
        factor = scale * (variance + self.epsilon) ** -0.5
        return ((values - mean) * factor + bias).astype(x.dtype)

    def _moving(self, features: tuple[int, ...], batch: Moments | None) -> tuple[Array, Array]:
        mean = self.variable("batch_stats", "mean", jnp.zeros, features)
        variance = self.variable("batch_stats", "variance", jnp.ones, features)
        if batch is not None:
            # A batch of nothing but padding teaches nothing.
            m = jnp.where(batch.count > 0, self.momentum, 0).astype(mean.value.dtype)
            unbiased = batch.squares / jnp.maximum(batch.count - 1, 1)
            mean.value = mean.value + m * (batch.mean - mean.value)
            variance.value = variance.value + m * (unbiased - variance.value)
        return mean.value, variance.value

    def _sums(self, features: tuple[int, ...], batch: Moments | None) -> tuple[Array, Array]:
        def nothing() -> Moments:
            return Moments(jnp.zeros(()), jnp.zeros(features), jnp.zeros(features))

        seen = self.variable("batch_stats", "seen", nothing)
        if batch is not None:
            seen.value = merge(seen.value, batch)
        return seen.value.mean, seen.value.variance


def _positive(count: Float[Array, ""]) -> Float[Array, ""]:
    """The count, or 1 in place of 0: a divisor of sums that are 0 themselves."""
    return jnp.where(count > 0, count, 1)
