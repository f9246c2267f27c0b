"""Batches in a compiled program: the examples at some indices."""

from collections.abc import Mapping

import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def gather(data: Mapping[str, Array], indices: Int[Array, "*batch"]) -> dict[str, Array]:
    """The batch at `indices`; weight 0 where an index is -1."""
    return {name: array[indices] for name, array in data.items()} | {"weight": weight(indices)}


def weight(indices: Int[Array, "*batch"]) -> Float[Array, "*batch"]:
    """1 for an example, 0 for none."""
    return (indices >= 0).astype(jnp.float32)
