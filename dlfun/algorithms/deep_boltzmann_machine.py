"""The deep Boltzmann machine with two hidden layers, trained by mean field and persistent chains.

Binary units v, h and g in layers, each connected to the next (Salakhutdinov, Hinton 2009):

    −E(v, h, g) = v·W·h + h·U·g + a·v + b·h + c·g,    p = exp(−E) / Z

Given h, all of v and g are independent: so the machine is a restricted one between h and (v, g),
and its chains and its log Z are found as there. Given v, h and g depend on one another: in the
place of p(h, g | v) stands the product q of independent units that mean field finds,

    μ = σ(b + v W + ν Uᵀ),    ν = σ(c + μ U)    in turn,

and with it a lower bound, log p(v) ≥ Σ q(h, g) (−E(v, h, g)) + entropy of q − log Z.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.nn import sigmoid
from jax.scipy.special import entr
from jaxtyping import Array, Float

from dlfun import metrics
from dlfun.algorithms.boltzmann_machine import RBM, gibbs, hidden_probabilities
from dlfun.errors import UserError
from dlfun.learner import Batch, Key, Learner, if_counted
from dlfun.metrics import Metrics


class DBM(NamedTuple):
    """The parameters."""

    lower: Float[Array, "visible hidden"]
    """W."""
    upper: Float[Array, "hidden top"]
    """U."""
    visible_bias: Float[Array, " visible"]
    hidden_bias: Float[Array, " hidden"]
    top_bias: Float[Array, " top"]


class DBMState(NamedTuple):
    """The parameters of the centred machine, the optimizer's memory, and the chains."""

    params: DBM
    optimizer: optax.OptState
    chains: Float[Array, "chains hidden"]
    """The middle layer h of each chain."""


def as_restricted(dbm: DBM) -> RBM:
    """The machine as a restricted one: h are its visible units, (v, g) its hidden ones."""
    weights = jnp.concatenate([dbm.lower.T, dbm.upper], axis=1)
    return RBM(weights, dbm.hidden_bias, jnp.concatenate([dbm.visible_bias, dbm.top_bias]))


def mean_field(
    dbm: DBM, visible: Float[Array, "batch visible"], steps: int
) -> tuple[Float[Array, "batch hidden"], Float[Array, "batch top"]]:
    """μ and ν after `steps` turns, from ν = ½."""
    up = dbm.hidden_bias + visible @ dbm.lower

    def turn(_: Array, layers: tuple[Array, Array]) -> tuple[Array, Array]:
        mu = sigmoid(up + layers[1] @ dbm.upper.T)
        return mu, sigmoid(dbm.top_bias + mu @ dbm.upper)

    start = jnp.zeros_like(up), jnp.full((len(up), dbm.upper.shape[1]), 0.5)
    return jax.lax.fori_loop(0, steps, turn, start)


def lower_bound(
    dbm: DBM, visible: Float[Array, "batch visible"], log_z: Float[Array, ""], steps: int
) -> Float[Array, " batch"]:
    """The lower bound of log p(v), in nats, after `steps` turns of mean field."""
    mu, nu = mean_field(dbm, visible, steps)

    def entropy(p: Float[Array, "batch units"]) -> Float[Array, " batch"]:
        return (entr(p) + entr(1 - p)).sum(axis=1)

    into_middle = dbm.hidden_bias + visible @ dbm.lower + nu @ dbm.upper.T
    energy = (into_middle * mu).sum(axis=1)
    energy += visible @ dbm.visible_bias + nu @ dbm.top_bias
    return energy + entropy(mu) + entropy(nu) - log_z


def uncentred(params: DBM, offset: Float[Array, " visible"]) -> DBM:
    """The machine in the usual parameters, from those of `deep_boltzmann_machine`.

    These are of −E = (v − α)·W·(h − ½) + (h − ½)·U·(g − ½) + a·v + b·h + c·g, α being the offset.
    """
    p = params
    return DBM(
        p.lower,
        p.upper,
        p.visible_bias - p.lower.sum(axis=1) / 2,
        p.hidden_bias - offset @ p.lower - p.upper.sum(axis=1) / 2,
        p.top_bias - p.upper.sum(axis=0) / 2,
    )


def deep_boltzmann_machine(
    hidden: tuple[int, int],
    optimizer: optax.GradientTransformation,
    offset: Float[Array, " visible"],
    *,
    steps: int = 5,
    chains: int = 100,
    mean_field_steps: int = 10,
    column: str = "x",
) -> Learner:
    """Learner that raises the lower bound of batch[column] in [0, 1], values being probabilities.

    The statistics of the data are those of mean field, the model's those of persistent chains that
    make `steps` Gibbs steps in each update. The machine is centred (Montavon, Müller 2012): the
    energy has v − α, h − ½ and g − ½, α being the `offset`, so that both layers learn at once from
    small random weights, where Salakhutdinov and Hinton train them one after the other before. It
    is the same set of distributions: `uncentred` gives the usual parameters.

    Weights start from N(0, 0.01²), the biases of v at log α/(1 − α), the others at 0. "loss" is
    Σ (v − σ(a + W μ))², mean over examples.

    Args:
        hidden: units of h and of g.
        optimizer: gradient transformation.
        offset: α, the mean of the data, above 0 and below 1.
        steps: Gibbs steps in an update.
        chains: number of persistent chains.
        mean_field_steps: turns of mean field in an update.
        column: name of the data in a batch.

    Raises:
        UserError: no Gibbs step, no turn or no chain; from the functions, data with another number
            of values than `offset` has.
    """
    for name, count in (("Gibbs step", steps), ("mean-field turn", mean_field_steps),
                        ("chain", chains)):  # fmt: skip
        if count < 1:
            raise UserError(f"a deep Boltzmann machine needs at least 1 {name}, got {count}")
    middle, top = hidden

    def init(key: Key, batch: Batch) -> DBMState:
        read(batch)
        keys = jax.random.split(key, 3)
        params = DBM(
            0.01 * jax.random.normal(keys[0], (len(offset), middle)),
            0.01 * jax.random.normal(keys[1], (middle, top)),
            jnp.log(offset / (1 - offset)),
            jnp.zeros(middle),
            jnp.zeros(top),
        )
        start = jax.random.bernoulli(keys[2], 0.5, (chains, middle)).astype(jnp.float32)
        return DBMState(params, optimizer.init(params), start)

    def read(batch: Batch) -> Float[Array, "batch visible"]:
        size = batch[column].shape[1]
        if size != len(offset):
            raise UserError(
                f"the machine has {len(offset)} visible units, the data {size} values each"
            )
        return batch[column]

    def statistics(v: Array, h: Array, g: Array, weight: Float[Array, " rows"]) -> DBM:
        """Mean of the derivatives of −E, each row counting by its share of the weight."""
        share = (weight / jnp.maximum(weight.sum(), 1))[:, None]
        weighted = (h - 0.5) * share
        return DBM(
            (v - offset).T @ weighted,
            weighted.T @ (g - 0.5),
            (v * share).sum(axis=0),
            (h * share).sum(axis=0),
            (g * share).sum(axis=0),
        )

    def reconstruction(dbm: DBM, v: Array, mu: Array, weight: Array) -> Metrics:
        again = sigmoid(dbm.visible_bias + mu @ dbm.lower.T)
        return {"loss": metrics.mean(jnp.square(v - again).sum(axis=1), weight)}

    def update(state: DBMState, batch: Batch, key: Key) -> tuple[DBMState, Metrics]:
        v, weight, dbm = read(batch), batch["weight"], uncentred(state.params, offset)
        mu, nu = mean_field(dbm, v, mean_field_steps)
        rbm = as_restricted(dbm)
        h = gibbs(rbm, state.chains, jax.random.split(key, chains), steps)
        # The last step's v and g are means given h, not draws: less noise, the same expectation.
        model_v, model_g = jnp.split(hidden_probabilities(rbm, h), [len(offset)], axis=1)
        gradient = jax.tree.map(
            lambda data, model: model - data,
            statistics(v, mu, nu, weight),
            statistics(model_v, h, model_g, jnp.ones(chains)),
        )
        change, memory = optimizer.update(gradient, state.optimizer, state.params)
        new = DBMState(optax.apply_updates(state.params, change), memory, h)
        return if_counted(batch, weight.sum(), new, reconstruction(dbm, v, mu, weight), state)

    def evaluate(state: DBMState, batch: Batch, key: Key) -> Metrics:
        dbm, v = uncentred(state.params, offset), read(batch)
        return reconstruction(dbm, v, mean_field(dbm, v, mean_field_steps)[0], batch["weight"])

    def predict(state: DBMState, batch: Batch) -> Float[Array, "batch top"]:
        return mean_field(uncentred(state.params, offset), read(batch), mean_field_steps)[1]

    return Learner(init, update, evaluate, predict)
