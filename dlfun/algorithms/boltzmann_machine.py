"""The restricted Boltzmann machine of binary units, trained by contrastive divergence.

Visible units v and hidden units h, each 0 or 1, have the energy (Smolensky 1986)

    E(v, h) = −v·W·h − a·v − b·h,    p(v, h) = exp(−E(v, h)) / Z

so that units of one layer are independent given the other layer:

    p(hⱼ = 1 | v) = σ(b + v W)ⱼ,    p(vᵢ = 1 | h) = σ(a + W h)ᵢ

and p(v) = exp(−F(v)) / Z with the free energy F(v) = −a·v − Σⱼ log(1 + exp((b + v W)ⱼ)).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.nn import sigmoid, softplus
from jaxtyping import Array, Float

from dlfun import metrics
from dlfun.learner import Batch, Key, Learner, example_keys, if_counted, mean_over_devices
from dlfun.metrics import Metrics


class RBM(NamedTuple):
    """The parameters."""

    weights: Float[Array, "visible hidden"]
    visible_bias: Float[Array, " visible"]
    hidden_bias: Float[Array, " hidden"]


class RBMState(NamedTuple):
    """The parameters, and the optimizer's memory."""

    params: RBM
    optimizer: optax.OptState


def hidden_probabilities(
    rbm: RBM, visible: Float[Array, "*batch visible"]
) -> Float[Array, "*batch hidden"]:
    """p(h = 1 | v) = σ(b + v W)."""
    return sigmoid(rbm.hidden_bias + visible @ rbm.weights)


def visible_probabilities(
    rbm: RBM, hidden: Float[Array, "*batch hidden"]
) -> Float[Array, "*batch visible"]:
    """p(v = 1 | h) = σ(a + W h)."""
    return sigmoid(rbm.visible_bias + hidden @ rbm.weights.T)


def free_energy(rbm: RBM, visible: Float[Array, "*batch visible"]) -> Float[Array, "*batch"]:
    """F(v) = −log Σ_h exp(−E(v, h))."""
    total = softplus(rbm.hidden_bias + visible @ rbm.weights).sum(axis=-1)
    return -visible @ rbm.visible_bias - total


def gibbs(
    rbm: RBM, visible: Float[Array, "batch visible"], keys: Key, steps: int
) -> Float[Array, "batch visible"]:
    """`steps` times h ~ p(h | v), v ~ p(v | h), with a key for each example."""

    def draw(keys: Key, p: Float[Array, "batch units"]) -> Float[Array, "batch units"]:
        uniform = jax.vmap(lambda key: jax.random.uniform(key, p.shape[1:]))(keys)
        return (uniform < p).astype(p.dtype)

    def step(number: Array, visible: Array) -> Array:
        both = jax.vmap(lambda key: jax.random.split(jax.random.fold_in(key, number)))(keys)
        hidden = draw(both[:, 0], hidden_probabilities(rbm, visible))
        return draw(both[:, 1], visible_probabilities(rbm, hidden))

    return jax.lax.fori_loop(0, steps, step, visible)


def contrastive_divergence(
    rbm: RBM,
    visible: Float[Array, "batch visible"],
    weight: Float[Array, " batch"],
    keys: Key,
    steps: int,
) -> RBM:
    """CD-k, Σ weight · (statistics of the data − those after k steps of Gibbs sampling).

    The statistics of a v are v p(h | v), v and p(h | v) for W, a and b. With k → ∞ their mean is
    the gradient of the mean log-likelihood, since ∂log p(v)/∂W = ⟨v h⟩_data − ⟨v h⟩_model; a short
    chain that starts at the data makes it small where the model is good (Hinton 2002).
    """
    negative = gibbs(rbm, visible, keys, steps)

    def statistics(visible: Float[Array, "batch visible"]) -> RBM:
        hidden = hidden_probabilities(rbm, visible) * weight[:, None]
        return RBM(visible.T @ hidden, weight @ visible, hidden.sum(axis=0))

    return jax.tree.map(jnp.subtract, statistics(visible), statistics(negative))


def restricted_boltzmann_machine(
    hidden: int,
    optimizer: optax.GradientTransformation,
    *,
    steps: int = 1,
    visible_bias: Any = 0.0,
    column: str = "x",
) -> Learner:
    """Learner that raises the likelihood of batch[column] in [0, 1] by CD-k.

    Values between 0 and 1 are probabilities. Weights start from N(0, 0.01²), hidden biases at 0,
    visible biases at `visible_bias`, best log p/(1 − p) of the share p of the data in which a unit
    is on (Hinton 2010, sec. 8). The optimizer descends along the negative of CD-k's direction: one
    with momentum and an L2 penalty is what Hinton (2010) recommends.

    "loss" is Σ (v − p(v | p(h | v)))², mean over examples; in evaluation "pseudo_log_likelihood" is
    an unbiased estimate of Σᵢ log p(vᵢ | other units) from one unit i drawn for each example,

        visible · log σ(F(v with vᵢ flipped) − F(v))    of v rounded to 0 or 1.

    Args:
        hidden: number of hidden units.
        optimizer: gradient transformation.
        steps: k.
        visible_bias: where visible biases start, one number or one for each unit.
        column: name of the data in a batch.
    """

    def init(key: Key, batch: Batch) -> RBMState:
        visible = batch[column].shape[1]
        params = RBM(
            0.01 * jax.random.normal(key, (visible, hidden)),
            jnp.broadcast_to(jnp.asarray(visible_bias, jnp.float32), (visible,)),
            jnp.zeros(hidden),
        )
        return RBMState(params, optimizer.init(params))

    def reconstruction(rbm: RBM, batch: Batch) -> metrics.Ratio:
        again = visible_probabilities(rbm, hidden_probabilities(rbm, batch[column]))
        return metrics.mean(jnp.square(batch[column] - again).sum(axis=1), batch["weight"])

    def update(state: RBMState, batch: Batch, key: Key) -> tuple[RBMState, Metrics]:
        visible, weight = batch[column], batch["weight"]
        keys = example_keys(key, len(visible))
        direction = contrastive_divergence(state.params, visible, weight, keys, steps)
        count = mean_over_devices(weight.sum())
        gradient = mean_over_devices(jax.tree.map(lambda d: -d / count, direction))
        change, memory = optimizer.update(gradient, state.optimizer, state.params)
        new = RBMState(optax.apply_updates(state.params, change), memory)
        return if_counted(batch, count, new, {"loss": reconstruction(state.params, batch)}, state)

    def evaluate(state: RBMState, batch: Batch, key: Key) -> Metrics:
        rbm, visible, weight = state.params, batch[column], batch["weight"]
        binary = jnp.round(visible)
        keys = example_keys(key, len(visible))
        unit = jax.vmap(lambda key: jax.random.randint(key, (), 0, visible.shape[1]))(keys)
        flipped = jnp.where(jnp.arange(visible.shape[1]) == unit[:, None], 1 - binary, binary)
        difference = free_energy(rbm, flipped) - free_energy(rbm, binary)
        pseudo = visible.shape[1] * jax.nn.log_sigmoid(difference)
        return {
            "loss": reconstruction(rbm, batch),
            "pseudo_log_likelihood": metrics.mean(pseudo, weight),
        }

    def predict(state: RBMState, batch: Batch) -> Float[Array, "batch hidden"]:
        return hidden_probabilities(state.params, batch[column])

    return Learner(init, update, evaluate, predict, averages=True)
