"""An environment as two pure functions, and episodes played in it."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from dlfun import metrics
from dlfun.learner import Key
from dlfun.metrics import Metrics

LAST = 100
"""Episodes over which the return is averaged that decides whether an environment is solved."""

State = Float[Array, " state"]
Policy = Callable[
    [Float[Array, "episodes state"], Float[Array, " episodes"]], Int[Array, " episodes"]
]
"""(a state of each episode, a number from U(0, 1) for each) → actions."""


class Environment(NamedTuple):
    """A Markov decision process whose state is a vector that the agent sees.

    Actions are numbered from 0. An episode ends where its state is terminal, or is cut (truncated)
    after `limit` steps.
    """

    name: str
    reset: Callable[[Key], State]
    """Key → first state."""
    step: Callable[[State, Int[Array, ""]], tuple[State, Float[Array, ""], Bool[Array, ""]]]
    """(state, action) → next state, reward, whether the next state is terminal."""
    state_size: int
    actions: int
    limit: int
    threshold: float
    """Mean return of 100 episodes from which it counts as solved."""


class Episodes(NamedTuple):
    """Episodes side by side, [time, episodes, …]; those that have ended are padded."""

    states: Float[Array, "time episodes state"]
    actions: Int[Array, "time episodes"]
    rewards: Float[Array, "time episodes"]
    """0 after the end."""
    present: Float[Array, "time episodes"]
    """1 for each step that was made, 0 after the end."""

    def returns(self) -> Float[Array, " episodes"]:
        """Σₜ rₜ of each episode."""
        return self.rewards.sum(axis=0)


def play(environment: Environment, policy: Policy, keys: Key) -> Episodes:
    """An episode for each key, from its first state to its end."""

    def step(carry: tuple[Array, Array], noise: Array) -> tuple[tuple[Array, Array], Episodes]:
        states, present = carry
        actions = policy(states, noise)
        after, reward, terminated = jax.vmap(environment.step)(states, actions)
        made = present.astype(reward.dtype)
        # A state that has ended stays as it is: going on from it might overflow.
        kept = jnp.where(present[:, None], after, states)
        return (kept, present & ~terminated), Episodes(states, actions, reward * made, made)

    for_start, for_noise = jnp.moveaxis(jax.vmap(jax.random.split)(keys), 1, 0)
    # Drawn before the loop, in which each operation costs its overhead.
    noise = jax.vmap(lambda key: jax.random.uniform(key, (environment.limit,)))(for_noise)
    start = jax.vmap(environment.reset)(for_start), jnp.ones(len(keys), bool)
    return lax.scan(step, start, noise.T)[1]


def return_metrics(played: Episodes, weight: Float[Array, " episodes"]) -> Metrics:
    """The means of the return R and of R², from which its deviation follows."""
    total = played.returns()
    return {
        "return": metrics.mean(total, weight),
        "squared_return": metrics.mean(jnp.square(total), weight),
    }


class Latest(NamedTuple):
    """The returns of the last 100 episodes, in a ring."""

    returns: Float[Array, " last"]
    """0 for those that have not been played yet."""
    ended: Int[Array, ""]
    """Episodes that have ended so far."""


def no_episodes() -> Latest:
    """The latest returns before the first episode has ended."""
    return Latest(jnp.zeros(LAST), jnp.int32(0))


def record(
    latest: Latest, returns: Float[Array, " episodes"], ended: Bool[Array, " episodes"]
) -> Latest:
    """The latest returns after those of the new episodes that have ended, oldest first."""
    number = latest.ended + jnp.cumsum(ended, dtype=jnp.int32) - 1
    count = latest.ended + jnp.sum(ended, dtype=jnp.int32)
    kept = ended & (number >= count - LAST)
    row = jnp.where(kept, number % LAST, LAST)  # Outside the ring: dropped.
    return Latest(latest.returns.at[row].set(returns, mode="drop"), count)
