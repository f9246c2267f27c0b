"""One integer seed, one root key, named streams: no key travels in a state."""

import zlib

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

Seed = int | tuple[int, ...]
"""A seed, or one for each member of a population."""


def stream(seed: Seed, name: str) -> Key[Array, "*members"]:
    """The key of the stream `name` (`init`, `data`, `update`, …) under the root key of `seed`."""
    if isinstance(seed, tuple):
        return jnp.stack([stream(one, name) for one in seed])
    return jax.random.fold_in(jax.random.key(seed, impl="threefry2x32"), zlib.crc32(name.encode()))
