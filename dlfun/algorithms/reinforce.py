"""REINFORCE: a policy that follows the gradient of its own expected return (Williams 1992).

With the return from step t on, Gₜ = Σₖ γᵏ rₜ₊ₖ, the mean over episodes of

    Σₜ ∇ log π(aₜ | sₜ) (Gₜ − b(sₜ))

estimates the gradient of the expected return (of γ = 1; below 1 it leaves out a factor γᵗ, as is
usual). A baseline b of the state changes nothing in the mean and lowers the variance. Here it is a
network that is fitted to Gₜ by least squares (Sutton, Barto 2018, sec. 13.4).
"""

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array, Float, Int

from dlfun import metrics
from dlfun.algorithms.minimize import LossAndMetrics, minimize
from dlfun.environments import Environment, no_episodes, play, record, return_metrics
from dlfun.learner import Batch, Key, Learner, example_keys, gather_devices


def draw_action(
    logits: Float[Array, "episodes actions"], noise: Float[Array, " episodes"]
) -> Int[Array, " episodes"]:
    """Actions from softmax(logits), by the inverse of its cumulative sum at `noise` in [0, 1)."""
    below = jax.nn.softmax(logits).cumsum(axis=1) < noise[:, None]
    # Rounding may leave the last sum below 1.
    return jnp.minimum(below.sum(axis=1, dtype=jnp.int32), logits.shape[1] - 1)


def returns_to_go(
    rewards: Float[Array, "time episodes"], discount: float | Array
) -> Float[Array, "time episodes"]:
    """Gₜ = rₜ + γ Gₜ₊₁."""

    def step(after: Array, reward: Array) -> tuple[Array, Array]:
        now = reward + discount * after
        return now, now

    return lax.scan(step, jnp.zeros_like(rewards[0]), rewards, reverse=True)[1]


def reinforce(
    environment: Environment,
    policy: nn.Module,
    optimizer: optax.GradientTransformation,
    *,
    discount: float | Array = 0.99,
    baseline: nn.Module | None = None,
) -> Learner:
    """Learner of which each example is an episode, played by the policy as it is.

    Columns of the batch are not read. Metrics are "loss", the mean over episodes of
    −Σₜ log π(aₜ | sₜ) (Gₜ − b(sₜ)) + ½ Σₜ (Gₜ − b(sₜ))², the latter with a baseline only, and
    "return" and "squared_return", of Σₜ rₜ. Evaluation plays an episode for each example by the
    same policy. Predictions are the logits of actions in the states of a column "state". The
    state's collection "latest" holds the returns of the last 100 episodes of training.

    Args:
        environment: the agent acts in it.
        policy: from states [batch, state] to logits [batch, actions].
        optimizer: gradient transformation of policy and baseline.
        discount: γ.
        baseline: b, from states to a number for each, [batch, 1]; by default 0.
    """
    networks = {"policy": policy} | ({"baseline": baseline} if baseline else {})

    def apply(name: str, params: Any, states: Float[Array, "*batch state"]) -> Array:
        rows = states.reshape(-1, states.shape[-1])
        output: Any = networks[name].apply({"params": params[name]}, rows)
        return output.reshape(*states.shape[:-1], -1)

    def init(key: Key, batch: Batch) -> Mapping[str, Any]:
        states, keys = jnp.zeros((1, environment.state_size)), jax.random.split(key)
        pairs = zip(networks.items(), keys, strict=False)
        params = {name: network.init(k, states)["params"] for (name, network), k in pairs}
        return {"params": params, "latest": no_episodes()}

    def objective(
        variables: Mapping[str, Any], batch: Batch, key: Key, training: bool
    ) -> LossAndMetrics:
        params, weight = variables["params"], batch["weight"]
        fixed = lax.stop_gradient(params)

        def sample(states: Array, noise: Array) -> Int[Array, " episodes"]:
            return draw_action(apply("policy", fixed, states), noise)

        played = play(environment, sample, example_keys(key, len(weight)))
        error = returns_to_go(played.rewards, discount)
        if baseline is not None:
            error = error - apply("baseline", params, played.states)[..., 0]
        logits = apply("policy", params, played.states)
        chosen = jax.nn.one_hot(played.actions, environment.actions)
        log_probability = (jax.nn.log_softmax(logits) * chosen).sum(axis=-1)
        each = -log_probability * lax.stop_gradient(error)
        if baseline is not None:
            each = each + jnp.square(error) / 2
        loss = metrics.mean((each * played.present).sum(axis=0), weight)
        result = LossAndMetrics(loss, return_metrics(played, weight))
        if not training:
            return result
        returns, counted = (a.ravel() for a in gather_devices((played.returns(), weight)))
        latest = record(variables["latest"], returns, counted > 0)
        return result._replace(collections={"latest": latest})

    def predict(variables: Mapping[str, Any], batch: Batch) -> Float[Array, "batch actions"]:
        return apply("policy", variables["params"], batch["state"])

    return minimize(init, objective, optimizer, predict)
