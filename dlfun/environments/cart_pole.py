"""The cart with a pole: a pole on a joint stays upright while the cart below is pushed.

A force F of ±10 N moves a cart of mass 1 kg on a track, on which a pole of mass m = 0.1 kg and half
length l = 0.5 m turns without friction. With the total mass M = 1.1 kg (Barto, Sutton, Anderson
1983; the equations of Florian 2007, as in Gymnasium):

    θ'' = (g sin θ − cos θ · f) / (l (4/3 − m cos² θ / M)),    f = (F + m l θ'² sin θ) / M
    x'' = f − m l θ'' cos θ / M

followed by Euler's method in steps of 0.02 s. Each step is rewarded by 1. An episode ends where the
cart is more than 2.4 m from the middle or the pole more than 12° from upright.
"""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from dlfun.environments.environment import Environment
from dlfun.learner import Key

GRAVITY, POLE_MASS, TOTAL_MASS, HALF_LENGTH, FORCE = 9.8, 0.1, 1.1, 0.5, 10.0
SECONDS = 0.02
"""Duration of a step."""
FARTHEST, WIDEST = 2.4, 12 * math.pi / 180
"""Largest |x| in metres and |θ| in radians within an episode."""


def reset(key: Key) -> Float[Array, "4"]:
    """A first state (x, x', θ, θ'), each from U(±0.05)."""
    return jax.random.uniform(key, (4,), minval=-0.05, maxval=0.05)


def step(
    state: Float[Array, "4"], action: Int[Array, ""]
) -> tuple[Float[Array, "4"], Float[Array, ""], Bool[Array, ""]]:
    """The state after a push to the left (action 0) or to the right (1), the reward 1, the end."""
    _, speed, angle, turning = state
    sine, cosine = jnp.sin(angle), jnp.cos(angle)
    force = FORCE * (2 * action - 1).astype(state.dtype)
    pole = POLE_MASS * HALF_LENGTH
    push = (force + pole * jnp.square(turning) * sine) / TOTAL_MASS
    inertia = HALF_LENGTH * (4 / 3 - POLE_MASS * jnp.square(cosine) / TOTAL_MASS)
    angular = (GRAVITY * sine - cosine * push) / inertia
    linear = push - pole * angular * cosine / TOTAL_MASS
    after = state + SECONDS * jnp.stack([speed, linear, turning, angular])
    terminated = (jnp.abs(after[0]) > FARTHEST) | (jnp.abs(after[2]) > WIDEST)
    return after, jnp.ones((), state.dtype), terminated


def cart_pole(name: str, limit: int, threshold: float) -> Environment:
    """The environment, whose episodes are cut after `limit` steps."""
    return Environment(name, reset, step, 4, 2, limit, threshold)
