"""Layers run on a few examples at a time, so that intermediates stay in the cache of a CPU."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import flax.linen as nn
import jax
from jax import Array, lax

CACHE_BYTES = 2**19
"""Bytes of an intermediate that stay in the cache of a core, which is 1 MB or larger."""
MIN_GROWTH = 8
"""Minimum ratio of intermediate to input size at which recomputing beats reading from memory."""


def block_size(examples: int, example_bytes: int, block_bytes: int = CACHE_BYTES) -> int:
    """The largest divisor of `examples` such that so many fit in `block_bytes`; 1 if none fits."""
    most = min(examples, max(block_bytes // example_bytes, 1))
    return next(size for size in range(most, 0, -1) if examples % size == 0)


def map_blocks(function: Callable[[Array], Array], x: Array, size: int) -> Array:
    """Apply a function to `size` examples of x at a time, one block after another."""
    y = lax.map(function, x.reshape(-1, size, *x.shape[1:]))
    return y.reshape(-1, *y.shape[2:])


def in_cache_blocks(layers: Sequence[nn.Module], x: Array) -> Array:
    """Apply `layers` one after another to x [batch, …].

    The layers must have parameters and no other variables, use no noise, and treat examples
    independently. Where the output of the first layer is much larger than x, as for a convolution
    of images with one channel, a CPU computes a few examples at a time, and recomputes them for the
    gradient, so that the intermediate stays in the cache.
    """
    variables = [layer.variables for layer in layers]
    unbound = [layer.clone(parent=None) for layer in layers]

    def chain(variables: Sequence[Any], x: Any) -> Any:
        for layer, layer_variables in zip(unbound, variables, strict=True):
            x = layer.apply(layer_variables, x)
        return x

    def in_blocks(variables: Sequence[Any], x: Array) -> Array:
        return map_blocks(jax.checkpoint(partial(chain, variables)), x, size)

    if len(x) and "params" in variables[0]:  # Neither at initialization nor for a summary.
        intermediate = jax.eval_shape(unbound[0].apply, variables[0], x)
        example_bytes = intermediate.size // len(x) * intermediate.dtype.itemsize
        size = block_size(len(x), example_bytes)
        if 1 < size < len(x) and intermediate.size >= MIN_GROWTH * x.size:
            return lax.platform_dependent(variables, x, cpu=in_blocks, default=chain)
    for layer in layers:
        x = layer(x)
    return x
