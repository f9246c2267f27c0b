"""Contrastive divergence: learners of a restricted Boltzmann machine, by CD-k and by PCD-k."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from dlfun import metrics
from dlfun.algorithms.boltzmann_machine import (
    RBM,
    Units,
    estimated_pseudo_log_likelihood,
    gibbs,
    hidden_probabilities,
    statistics,
    visible_means,
)
from dlfun.errors import UserError
from dlfun.learner import (
    AXIS,
    Batch,
    Key,
    Learner,
    example_keys,
    gather_devices,
    if_counted,
    mean_over_devices,
)
from dlfun.metrics import Metrics


class RBMState(NamedTuple):
    """The parameters, the optimizer's memory, and the persistent chains."""

    params: RBM
    optimizer: optax.OptState
    chains: Float[Array, "chains visible"] | None
    """The visible units of each chain; None where chains start at the data."""


def contrastive_divergence(
    rbm: RBM,
    visible: Float[Array, "batch visible"],
    weight: Float[Array, " batch"],
    keys: Key,
    steps: int,
    units: Units = "binary",
) -> RBM:
    """CD-k, Σ weight · (statistics of the data − those after k steps of Gibbs sampling).

    With k → ∞ their mean is the gradient of the mean log-likelihood, since ∂log p(v)/∂W =
    ⟨v h⟩_data − ⟨v h⟩_model; a short chain that starts at the data makes it small where the model
    is good (Hinton 2002).
    """
    negative = gibbs(rbm, visible, keys, steps, units)
    # Data and model in one product: the cost of few rows is to read the weights.
    return statistics(rbm, jnp.concatenate([visible, negative]), jnp.concatenate([weight, -weight]))


def move(
    rbm: RBM, chains: Float[Array, "chains visible"], keys: Key, steps: int, units: Units
) -> tuple[Float[Array, "share visible"], Float[Array, "chains visible"]]:
    """This device's share of the chains, and all chains, after `steps` of Gibbs sampling.

    The devices that share a batch share the chains too, where their number allows, and then
    exchange their rows: the state is the same on each. Otherwise each has all as its share.
    """
    count = len(chains)
    devices = len(gather_devices(jnp.zeros(())))
    shared = devices > 1 and count % devices == 0
    if shared:
        share = count // devices
        first = jax.lax.axis_index(AXIS) * share
        chains = jax.lax.dynamic_slice_in_dim(chains, first, share)
        keys = jax.lax.dynamic_slice_in_dim(keys, first, share)
    own = gibbs(rbm, chains, keys, steps, units)
    return own, gather_devices(own).reshape(count, -1) if shared else own


def restricted_boltzmann_machine(
    hidden: int,
    optimizer: optax.GradientTransformation,
    *,
    steps: int = 1,
    chains: int = 0,
    units: Units = "binary",
    visible_bias: Any = 0.0,
    column: str = "x",
) -> Learner:
    """Learner that raises the likelihood of batch[column] by CD-k or by PCD-k.

    Values of binary units between 0 and 1 are probabilities. Weights start from N(0, 0.01²), hidden
    biases at 0, visible biases at `visible_bias`, best log p/(1 − p) of the share p of the data in
    which a binary unit is on (Hinton 2010, sec. 8). The optimizer descends along the negative of
    CD-k's direction: one with momentum and an L2 penalty is what Hinton (2010) recommends.

    With `chains` above 0 the model's statistics are the mean over that many Gibbs chains, which are
    rows of the state, go on for k steps in each update, and never return to the data (Tieleman
    2008: persistent contrastive divergence, with a small learning rate). They are not the batch's
    rows: a batch of fewer examples moves all of them.

    "loss" is Σ (v − E(v | p(h | v)))², mean over examples; of binary units evaluation adds
    "pseudo_log_likelihood", estimated from one unit of each example, rounded to 0 or 1.

    Args:
        hidden: number of hidden units.
        optimizer: gradient transformation.
        steps: k.
        chains: number of persistent chains; 0 for chains that start at the data.
        units: kind of the visible units.
        visible_bias: where visible biases start, one number or one for each unit.
        column: name of the data in a batch.

    Raises:
        UserError: k or `hidden` below 1, `chains` below 0; from the functions, data with another
            number of values than the machine has visible units.
    """
    if steps < 1:
        raise UserError(f"contrastive divergence needs at least 1 Gibbs step, got {steps}")
    if hidden < 1:
        raise UserError(f"a Boltzmann machine needs at least 1 hidden unit, got {hidden}")
    if chains < 0:
        raise UserError(f"expected 0 persistent chains or more, got {chains}")

    def init(key: Key, batch: Batch) -> RBMState:
        visible = batch[column].shape[1]
        params = RBM(
            0.01 * jax.random.normal(key, (visible, hidden)),
            jnp.broadcast_to(jnp.asarray(visible_bias, jnp.float32), (visible,)),
            jnp.zeros(hidden),
        )
        if not chains:
            return RBMState(params, optimizer.init(params), None)
        # One step draws from almost the model that small weights make.
        keys = jax.random.split(jax.random.fold_in(key, 1), chains)
        start = gibbs(params, jnp.zeros((chains, visible)), keys, 1, units)
        return RBMState(params, optimizer.init(params), start)

    def read(rbm: RBM, batch: Batch) -> Float[Array, "batch visible"]:
        size, units_ = batch[column].shape[1], len(rbm.visible_bias)
        if size != units_:
            raise UserError(f"the machine has {units_} visible units, the data {size} values each")
        return batch[column]

    def reconstruction(
        rbm: RBM, batch: Batch, hidden: Float[Array, "batch hidden"]
    ) -> metrics.Ratio:
        again = visible_means(rbm, hidden, units)
        return metrics.mean(jnp.square(batch[column] - again).sum(axis=1), batch["weight"])

    def update(state: RBMState, batch: Batch, key: Key) -> tuple[RBMState, Metrics]:
        rbm, weight, moved = state.params, batch["weight"], state.chains
        visible = read(rbm, batch)
        count = mean_over_devices(weight.sum())
        if moved is not None:
            own, moved = move(rbm, moved, jax.random.split(key, chains), steps, units)
            rows = jnp.concatenate([visible, own])
            share = jnp.concatenate([weight / count, jnp.full(len(own), -1 / len(own))])
            direction = mean_over_devices(statistics(rbm, rows, share))
            # Of all rows, as in `statistics`: so XLA computes the product once.
            hidden_of_data = hidden_probabilities(rbm, rows)[: len(visible)]
        else:
            keys = example_keys(key, len(visible))
            hidden_of_data = hidden_probabilities(rbm, visible)
            total = contrastive_divergence(rbm, visible, weight, keys, steps, units)
            direction = jax.tree.map(lambda d: d / count, mean_over_devices(total))
        gradient = jax.tree.map(jnp.negative, direction)
        change, memory = optimizer.update(gradient, state.optimizer, rbm)
        new = RBMState(optax.apply_updates(rbm, change), memory, moved)
        return if_counted(
            batch, count, new, {"loss": reconstruction(rbm, batch, hidden_of_data)}, state
        )

    def evaluate(state: RBMState, batch: Batch, key: Key) -> Metrics:
        rbm, visible, weight = state.params, read(state.params, batch), batch["weight"]
        measured = {"loss": reconstruction(rbm, batch, hidden_probabilities(rbm, visible))}
        if units == "binary":
            keys = example_keys(key, len(visible))
            pseudo = estimated_pseudo_log_likelihood(rbm, jnp.round(visible), keys)
            measured["pseudo_log_likelihood"] = metrics.mean(pseudo, weight)
        return measured

    def predict(state: RBMState, batch: Batch) -> Float[Array, "batch hidden"]:
        return hidden_probabilities(state.params, read(state.params, batch))

    return Learner(init, update, evaluate, predict, averages=True)
