"""The bound on the norm of the last layer's weights."""

from typing import Any

import jax.numpy as jnp
import optax
from jax import Array


def with_max_norm(
    optimizer: optax.GradientTransformation, limit: float | Array
) -> optax.GradientTransformation:
    """The optimizer, after whose step w of a class's weights becomes w · min(1, limit/‖w‖).

    The weights are the columns of params["classifier"]["kernel"] (Hinton et al. 2012; Kim 2014).
    """

    def bound(changes: Any, params: Any) -> Any:
        old, change = (tree["classifier"]["kernel"] for tree in (params, changes))
        new = old + change
        norm = jnp.sqrt(jnp.square(new).sum(axis=0))
        shorter = new * (limit / jnp.maximum(norm, limit))
        return {**changes, "classifier": {**changes["classifier"], "kernel": shorter - old}}

    return optax.chain(optimizer, optax.stateless(bound))
