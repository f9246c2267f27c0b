"""One integer seed, one root key, named streams: no key travels in a state."""

import zlib

import jax
from jaxtyping import Array, Key


def stream(seed: int, name: str) -> Key[Array, ""]:
    """The key of the stream `name` (`init`, `data`, `update`, …) under the root key of `seed`."""
    return jax.random.fold_in(jax.random.key(seed, impl="threefry2x32"), zlib.crc32(name.encode()))
