"""Random streams: one integer seed makes one root key, from which each stream has its name."""

import zlib

import jax
import numpy as np
from jaxtyping import Array, Key

Seed = int | tuple[int, ...]
"""One seed, or a seed for each member of a population."""


def stream(seed: Seed, name: str) -> Key[Array, "*members"]:
    """Key of the stream `name` ("init", "data", "update", …) under the root key of `seed`."""
    if isinstance(seed, tuple):
        return _streams(np.array(seed, np.uint32), np.uint32(zlib.crc32(name.encode())))
    return jax.random.fold_in(jax.random.key(seed, impl="threefry2x32"), zlib.crc32(name.encode()))


@jax.jit
def _streams(seeds: Array, number: Array) -> Key[Array, " members"]:
    # One call: a call for each member of a thousand would take seconds.
    def one(seed: Array) -> Key[Array, ""]:
        return jax.random.fold_in(jax.random.key(seed, impl="threefry2x32"), number)

    return jax.vmap(one)(seeds)
