"""Layers one after the other, on a CPU for a few examples at a time."""

import math
from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
from jax import Array, lax

CACHE = 2**19
"""Bytes between two layers that stay in the cache of a core, which has 1 MB of its own or more."""
SPREAD = 8
"""How many times as large as the input that has to be for a second computation to be cheaper than
the way to memory."""


def in_cache_blocks(layers: Sequence[nn.Module], x: Array) -> Array:
    """Each of `layers` of the result of the one before; of the first, of x [batch, …].

    The layers have parameters and no other variables, draw no noise, and compute each example for
    itself. Where the result of the first is much larger than x, as of a convolution of images with
    one channel, a CPU computes a few examples at a time, the same again for the gradient, so that
    what lies between the layers never leaves the cache.
    """
    variables = [layer.variables for layer in layers]
    alone = [layer.clone(parent=None) for layer in layers]

    def chain(variables: Sequence[Any], x: Any) -> Any:
        for layer, own in zip(alone, variables, strict=True):
            x = layer.apply(own, x)
        return x

    def in_parts(variables: Sequence[Any], x: Array) -> Array:
        parts = x.reshape(-1, size, *x.shape[1:])
        y = lax.map(jax.checkpoint(lambda part: chain(variables, part)), parts)
        return y.reshape(-1, *y.shape[2:])

    if "params" in variables[0]:  # Not while they are made, nor for a summary.
        between = jax.eval_shape(alone[0].apply, variables[0], x)
        each = between.size // len(x) * between.dtype.itemsize
        size = math.gcd(len(x), 2 ** int(math.log2(max(CACHE // each, 1))))
        if 1 < size < len(x) and between.size >= SPREAD * x.size:
            return lax.platform_dependent(variables, x, cpu=in_parts, default=chain)
    for layer in layers:
        x = layer(x)
    return x
