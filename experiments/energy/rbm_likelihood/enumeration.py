"""The partition function of a small Boltzmann machine by a sum over its hidden units' states."""

import jax
import jax.numpy as jnp
from jax.nn import logsumexp, softplus
from jaxtyping import Array, Float

from dlfun.algorithms.boltzmann_machine import RBM
from dlfun.errors import UserError

MOST = 20
"""Hidden units: 2²⁰ states."""
CHUNK = 10
"""Units whose states are summed over at once."""


def exact_log_partition_function(rbm: RBM) -> Float[Array, ""]:
    """log Z = log Σ_h exp(b·h + Σᵢ log(1 + exp((a + W h)ᵢ))), for at most 20 hidden units.

    Raises UserError where there are more.
    """
    hidden = rbm.weights.shape[1]
    if hidden > MOST:
        raise UserError(f"log Z is enumerated of at most {MOST} hidden units, got {hidden}")
    low = min(CHUNK, hidden)

    def bits(numbers: Array, count: int) -> Float[Array, "*states units"]:
        return (numbers[..., None] >> jnp.arange(count) & 1).astype(jnp.float32)

    first = bits(jnp.arange(2**low), low)

    def part(number: Array) -> Float[Array, ""]:
        rest = jnp.broadcast_to(bits(number, hidden - low), (len(first), hidden - low))
        h = jnp.concatenate([first, rest], axis=1)
        return logsumexp(
            h @ rbm.hidden_bias + softplus(rbm.visible_bias + h @ rbm.weights.T).sum(axis=1)
        )

    return logsumexp(jax.lax.map(part, jnp.arange(2 ** (hidden - low))))
