"""Experience replay: a buffer of the latest transitions, from which an agent learns (Lin 1992)."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from dlfun.learner import Key


class Transition(NamedTuple):
    """Steps in an environment, [steps, …]."""

    state: Float[Array, "steps state"]
    action: Int[Array, " steps"]
    reward: Float[Array, " steps"]
    after: Float[Array, "steps state"]
    terminated: Bool[Array, " steps"]
    """True where `after` is terminal, which it is not where an episode is cut."""


class Replay(NamedTuple):
    """A ring: transition n lies in row n mod capacity, where it overwrites an older one."""

    stored: Transition
    """[capacity, …]; zeros where nothing has been stored yet."""
    added: Int[Array, ""]
    """Transitions added so far, those that were overwritten included."""


def empty(capacity: int, state_size: int) -> Replay:
    """An empty buffer."""
    zeros = jnp.zeros
    stored = Transition(
        zeros((capacity, state_size)),
        zeros(capacity, jnp.int32),
        zeros(capacity),
        zeros((capacity, state_size)),
        zeros(capacity, bool),
    )
    return Replay(stored, jnp.int32(0))


def add(replay: Replay, new: Transition, present: Bool[Array, " steps"]) -> Replay:
    """The buffer with the transitions that are present, at most as many as its capacity."""
    capacity = len(replay.stored.action)
    numbers = replay.added + jnp.cumsum(present) - 1
    row = jnp.where(present, numbers % capacity, capacity)  # Outside the buffer: dropped.
    stored = jax.tree.map(lambda old, x: old.at[row].set(x, mode="drop"), replay.stored, new)
    return Replay(stored, replay.added + jnp.sum(present, dtype=jnp.int32))


def draw(replay: Replay, key: Key, count: int) -> Transition:
    """`count` stored transitions, drawn uniformly with replacement."""
    filled = jnp.minimum(replay.added, len(replay.stored.action))
    row = jax.random.randint(key, (count,), 0, jnp.maximum(filled, 1))
    return jax.tree.map(lambda column: column[row], replay.stored)
