"""A border across which XLA's compiler for the CPU does not fuse."""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import jax
from jax import Array
from jax.experimental.xla_metadata import set_xla_metadata


def fenced(function: Callable[..., Any], **static: Any) -> Callable[..., Any]:
    """`function(*arrays, **static)` whose arguments and results are arrays in memory.

    On the CPU XLA computes what is cheap, such as batch norm and ReLU, once more in each of its
    consumers, and a convolution has many: one for every position of its kernel. It drops
    `lax.optimization_barrier` before it fuses, but leaves a call alone that is not to be inlined.
    So are the calls that differentiation makes of it.
    """
    whole = partial(function, **static)  # of a partial: one flat one
    call = _compiled(whole.func, tuple(whole.keywords))

    def apply(*arrays: Array) -> Any:
        with set_xla_metadata(inlineable="false"):
            return call(*arrays, **whole.keywords)

    return apply


@cache
def _compiled(function: Callable, static: tuple[str, ...]) -> Callable:
    """One function of one identity for all layers alike, which are then traced once."""
    return jax.jit(function, static_argnames=static)
