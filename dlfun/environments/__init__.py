"""Environments for reinforcement learning, by the names and with the limits of Gymnasium."""

from dlfun.environments.cart_pole import cart_pole
from dlfun.environments.environment import (
    Environment,
    Episodes,
    Latest,
    no_episodes,
    play,
    record,
    return_metrics,
)
from dlfun.errors import UserError, nearest

__all__ = [
    "ENVIRONMENTS",
    "Environment",
    "Episodes",
    "Latest",
    "find",
    "no_episodes",
    "play",
    "record",
    "return_metrics",
]

ENVIRONMENTS = {
    environment.name: environment
    for environment in (cart_pole("CartPole-v0", 200, 195.0), cart_pole("CartPole-v1", 500, 475.0))
}


def find(name: str) -> Environment:
    """The environment `name`. Raises UserError where there is none."""
    if name not in ENVIRONMENTS:
        names = ", ".join(ENVIRONMENTS)
        raise UserError(f"no environment '{name}'{nearest(name, ENVIRONMENTS)}; there are: {names}")
    return ENVIRONMENTS[name]
