"""Learning-rate schedules: factors of the base rate as functions of the step.

optax's schedules branch in Python on their floats; these do not, so each float may be traced.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import jax.numpy as jnp
from annotated_types import Ge, Gt
from jaxtyping import Array, Float


@dataclass(frozen=True)
class Schedule:
    """How the learning rate changes with the epoch e (a real number: steps / steps per epoch)."""

    kind: Literal["constant", "exponential", "step", "cosine"] = "constant"
    """constant: 1; exponential: factor^(e/period); step: factor^⌊e/period⌋; cosine: from 1 to
    factor over the run of E epochs as factor + (1 - factor)(1 + cos πe/E)/2."""
    factor: Annotated[float, Ge(0)] = 0.1
    """Decay factor (exponential, step), or the final factor (cosine)."""
    period: Annotated[float, Gt(0)] = 10.0
    """Epochs per decay factor (exponential, step)."""
    warm_up: Annotated[float, Gt(0)] | None = None
    """Epochs over which the rate first rises linearly from 0; none by default."""


def factor(
    schedule: Schedule, steps_per_epoch: int, epochs: int
) -> Callable[[Array], Float[Array, ""]]:
    """The factor of the base learning rate as a function of the step, counted from 0."""

    def at(step: Array) -> Float[Array, ""]:
        # The step that ends at s + 1: warm-up must not waste its first step on a rate of 0.
        epoch = jnp.asarray(step, jnp.float32) / steps_per_epoch
        match schedule.kind:
            case "constant":
                value = jnp.ones_like(epoch)
            case "exponential":
                value = schedule.factor ** (epoch / schedule.period)
            case "step":
                value = schedule.factor ** jnp.floor(epoch / schedule.period)
            case "cosine":
                half = (1 + jnp.cos(jnp.pi * jnp.minimum(epoch / epochs, 1))) / 2
                value = schedule.factor + (1 - schedule.factor) * half
        if schedule.warm_up is not None:
            value = value * jnp.minimum((epoch + 1 / steps_per_epoch) / schedule.warm_up, 1)
        return value

    return at
