"""The restricted Boltzmann machine: its distribution, Gibbs sampling, and pseudo-likelihood.

Hidden units h are 0 or 1. Binary visible units v have the energy (Smolensky 1986)

    E(v, h) = −v·W·h − a·v − b·h,    p(v, h) = exp(−E(v, h)) / Z

and Gaussian ones of variance 1, for real data with that variance, ½‖v − a‖² in the place of −a·v
(Hinton 2010, sec. 13.2). Units of one layer are independent given the other layer:

    p(hⱼ = 1 | v) = σ(b + v W)ⱼ,    p(vᵢ = 1 | h) = σ(a + W h)ᵢ    or    p(v | h) = N(a + W h, 1)

and p(v) = exp(−F(v)) / Z with the free energy F(v) = −a·v − Σⱼ log(1 + exp((b + v W)ⱼ)), of
Gaussian units with ½‖v − a‖² for −a·v.
"""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax.nn import sigmoid, softplus
from jaxtyping import Array, Float

from dlfun.learner import Key
from dlfun.random import bernoulli

Units = Literal["binary", "gaussian"]


class RBM(NamedTuple):
    """The parameters."""

    weights: Float[Array, "visible hidden"]
    visible_bias: Float[Array, " visible"]
    hidden_bias: Float[Array, " hidden"]


def hidden_probabilities(
    rbm: RBM, visible: Float[Array, "*batch visible"]
) -> Float[Array, "*batch hidden"]:
    """p(h = 1 | v) = σ(b + v W)."""
    return sigmoid(rbm.hidden_bias + visible @ rbm.weights)


def visible_means(
    rbm: RBM, hidden: Float[Array, "*batch hidden"], units: Units = "binary"
) -> Float[Array, "*batch visible"]:
    """Means of v given h: σ(a + W h), of Gaussian units a + W h."""
    total = rbm.visible_bias + hidden @ rbm.weights.T
    return sigmoid(total) if units == "binary" else total


def free_energy(
    rbm: RBM, visible: Float[Array, "*batch visible"], units: Units = "binary"
) -> Float[Array, "*batch"]:
    """F(v) = −log Σ_h exp(−E(v, h))."""
    total = softplus(rbm.hidden_bias + visible @ rbm.weights).sum(axis=-1)
    if units == "binary":
        return -visible @ rbm.visible_bias - total
    return jnp.square(visible - rbm.visible_bias).sum(axis=-1) / 2 - total


def gibbs(
    rbm: RBM,
    visible: Float[Array, "batch visible"],
    keys: Key,
    steps: int,
    units: Units = "binary",
) -> Float[Array, "batch visible"]:
    """`steps` times h ~ p(h | v), v ~ p(v | h): block Gibbs sampling, with a key for each row."""

    def on(keys: Key, p: Float[Array, "batch units"]) -> Float[Array, "batch units"]:
        return jax.vmap(lambda key, p: bernoulli(key, p, p.shape))(keys, p).astype(p.dtype)

    def step(number: Array, visible: Array) -> Array:
        key_pairs = jax.vmap(lambda key: jax.random.split(jax.random.fold_in(key, number)))(keys)
        means = visible_means(rbm, on(key_pairs[:, 0], hidden_probabilities(rbm, visible)), units)
        if units == "binary":
            return on(key_pairs[:, 1], means)
        draw = jax.vmap(lambda key: jax.random.normal(key, means.shape[1:]))
        return means + draw(key_pairs[:, 1])

    return jax.lax.fori_loop(0, steps, step, visible)


def statistics(
    rbm: RBM, visible: Float[Array, "batch visible"], weight: Float[Array, " batch"]
) -> RBM:
    """Σ weight · ∂(−F(v))/∂(W, a, b), of binary units v p(h | v), v and p(h | v).

    The gradient for a of Gaussian units, v − a, has the same difference between data and model.
    """
    hidden = hidden_probabilities(rbm, visible) * weight[:, None]
    return RBM(visible.T @ hidden, weight @ visible, hidden.sum(axis=0))


def pseudo_log_likelihood(
    rbm: RBM, visible: Float[Array, "batch visible"]
) -> Float[Array, " batch"]:
    """Σᵢ log p(vᵢ | all other units) of binary v (Besag 1975).

    Each term is log σ(F(v with vᵢ flipped) − F(v)).
    """
    total = rbm.hidden_bias + visible @ rbm.weights
    softened = softplus(total).sum(axis=1)

    def add(i: Array, sum_: Float[Array, " batch"]) -> Float[Array, " batch"]:
        change = 1 - 2 * visible[:, i]
        flipped = softplus(total + change[:, None] * rbm.weights[i]).sum(axis=1)
        difference = softened - flipped - change * rbm.visible_bias[i]
        return sum_ + jax.nn.log_sigmoid(difference)

    return jax.lax.fori_loop(0, visible.shape[1], add, jnp.zeros(len(visible)))


def estimated_pseudo_log_likelihood(
    rbm: RBM, visible: Float[Array, "batch visible"], keys: Key
) -> Float[Array, " batch"]:
    """An unbiased estimate of `pseudo_log_likelihood` from one unit, drawn for each example."""
    size = visible.shape[1]
    unit = jax.vmap(lambda key: jax.random.randint(key, (), 0, size))(keys)
    flipped = jnp.where(jnp.arange(size) == unit[:, None], 1 - visible, visible)
    return size * jax.nn.log_sigmoid(free_energy(rbm, flipped) - free_energy(rbm, visible))
