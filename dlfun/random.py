"""Random streams: one integer seed makes one root key, from which each stream has its name."""

import zlib

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

Seed = int | tuple[int, ...]
"""One seed, or a seed for each member of a population."""


def stream(seed: Seed, name: str) -> Key[Array, "*members"]:
    """Key of the stream `name` ("init", "data", "update", …) under the root key of `seed`."""
    if isinstance(seed, tuple):
        return jnp.stack([stream(member, name) for member in seed])
    return jax.random.fold_in(jax.random.key(seed, impl="threefry2x32"), zlib.crc32(name.encode()))
