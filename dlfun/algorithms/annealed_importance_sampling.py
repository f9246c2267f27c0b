"""Annealed importance sampling: an estimate of a Boltzmann machine's log Z, with its error."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.nn import logsumexp, sigmoid, softplus
from jaxtyping import Array, Float

from dlfun.algorithms.boltzmann_machine import RBM
from dlfun.errors import UserError
from dlfun.learner import Key
from dlfun.random import bernoulli


class Estimate(NamedTuple):
    """An estimate of log Z."""

    log_z: Float[Array, ""]
    error: Float[Array, ""]
    """Its standard error, by the spread of the runs."""
    log_weights: Float[Array, " runs"]
    """log w of each run: the mean of the w is Z / Z₀."""


def log_partition_function(
    rbm: RBM,
    base_bias: Float[Array, " visible"],
    betas: Float[Array, " temperatures"],
    key: Key,
    runs: int,
) -> Estimate:
    """log Z of an RBM of binary units by annealed importance sampling (Neal 2001).

    Between units that are independent, with biases c = `base_bias` and hidden units at 0, and the
    machine lie distributions with inverse temperatures 0 = β₀ < … < β_K = 1,

        log p*_β(v) = ((1−β) c + β a)·v + Σⱼ log(1 + exp(β (b + v W)ⱼ))

    A run draws v from the first, whose log Z₀ = Σᵢ log(1 + exp cᵢ) + hidden · log 2 is known, then
    adds log p*_β(v) − log p*_β'(v) to its log w and makes a Gibbs step at β, for each β' and the β
    after it. The mean of w is Z / Z₀ without bias (Salakhutdinov, Murray 2008, sec. 4).

    `base_bias` is best the log odds of the data's pixels. The error is that of log(mean w) to first
    order, sd(w) / (mean w · √runs): it says nothing of a mode that no run has found.

    Raises:
        UserError: fewer than 2 inverse temperatures, or fewer than 2 runs, which have no spread.
    """
    if len(betas) < 2 or runs < 2:
        raise UserError(
            "annealed importance sampling needs at least 2 inverse temperatures and 2 runs, got"
            f" {len(betas)} and {runs}"
        )
    hidden = rbm.weights.shape[1]

    def log_p(
        beta: Array, visible: Float[Array, "runs visible"], total: Float[Array, "runs hidden"]
    ) -> Float[Array, " runs"]:
        bias = (1 - beta) * base_bias + beta * rbm.visible_bias
        return visible @ bias + softplus(beta * total).sum(axis=1)

    def draw(key: Key, p: Float[Array, "runs units"]) -> Float[Array, "runs units"]:
        return bernoulli(key, p, p.shape).astype(jnp.float32)

    def step(carry: tuple[Array, Array], number: Array) -> tuple[tuple[Array, Array], None]:
        visible, log_w = carry
        before, beta = betas[number - 1], betas[number]
        total = rbm.hidden_bias + visible @ rbm.weights
        log_w += log_p(beta, visible, total) - log_p(before, visible, total)
        for_hidden, for_visible = jax.random.split(jax.random.fold_in(key, number))
        h = draw(for_hidden, sigmoid(beta * total))
        up = rbm.visible_bias + h @ rbm.weights.T
        visible = draw(for_visible, sigmoid((1 - beta) * base_bias + beta * up))
        return (visible, log_w), None

    shape = (runs, len(rbm.visible_bias))
    start = draw(jax.random.fold_in(key, 0), jnp.broadcast_to(sigmoid(base_bias), shape))
    (_, log_w), _ = jax.lax.scan(step, (start, jnp.zeros(runs)), jnp.arange(1, len(betas)))
    log_z0 = softplus(base_bias).sum() + hidden * jnp.log(2.0)
    log_mean = logsumexp(log_w) - jnp.log(jnp.float32(runs))
    relative = jnp.exp(log_w - log_mean)
    error = jnp.std(relative, ddof=1) / jnp.sqrt(jnp.float32(runs))
    return Estimate(log_z0 + log_mean, error, log_w)


def inverse_temperatures(count: int) -> Float[np.ndarray, " count"]:
    """Inverse temperatures from 0 to 1, in the shares of Salakhutdinov and Murray (2008).

    Of 14,500 steps theirs makes 500 up to 0.5, 4,000 up to 0.9 and 10,000 up to 1.
    """
    shares = np.array([0, 500, 4500, 14500]) / 14500
    return np.interp(np.linspace(0, 1, count), shares, [0, 0.5, 0.9, 1]).astype(np.float32)
