"""Linear and bilinear maps with given transposes, which XLA does not fuse with their neighbours.

JAX derives the transpose of a map from its parts, and XLA fuses a map into each consumer of its
result, which computes it again. Here the transpose is given explicitly and XLA is kept from fusing
the map with its neighbours. Derivatives of any order and mode, vmap and jit work with these maps.
"""

from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.core import ShapedArray
from jax.experimental.xla_metadata import set_xla_metadata
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

Map = Callable[[Any, Array], Array]


def linear_map(forward: Map, backward: Map, sizes: Hashable, x: Array) -> Array:
    """Compute `forward(sizes, x)`, linear in x, whose transpose is `backward(sizes, y)`."""
    return _linear.bind(x, forward=forward, backward=backward, sizes=sizes)


def batched_matmul(a: Array, b: Array) -> Array:
    """Matrix products [batch, i, k], [batch, k, j] → [batch, i, j]."""
    return _product.bind(a, b)


def matmul(x: Array, kernel: Array) -> Array:
    """The product [rows, inputs], [inputs, outputs] → [rows, outputs] of a dense layer.

    On a CPU, JAX's gradient of the kernel transposes that of the outputs, in a loop together with
    what is computed before it, which is slow. Here x is transposed instead, in a loop of its own.
    """

    def transposing_x(x: Array, kernel: Array) -> Array:
        return batched_matmul(x[None], kernel[None])[0]

    return lax.platform_dependent(x, kernel, cpu=transposing_x, default=jnp.matmul)


def not_fused(function: Callable[..., Array], *args: Array) -> Array:
    """Compute `function(*args)` without fusing it with the operations before and after it."""
    with set_xla_metadata(inlineable="false"):
        return jax.jit(function)(*args)


def _compute(x: Array, *, forward: Map, backward: Map, sizes: Hashable) -> Array:
    return not_fused(partial(forward, sizes), x)


def _batched(args: Any, axes: Any, *, forward: Map, backward: Map, sizes: Hashable) -> Any:
    return not_fused(jax.vmap(partial(forward, sizes), axes[0]), args[0]), 0


def _transpose(y: Array, x: Any, *, forward: Map, backward: Map, sizes: Hashable) -> list[Array]:
    return [linear_map(backward, forward, sizes, y)]


def _swap(sizes: None, x: Array) -> Array:
    return x.swapaxes(1, 2)


def _dot(a: Array, b: Array) -> Array:
    return lax.dot_general(a, b, (((2,), (1,)), ((0,), (0,))))


def _gradient_of_first(y: Array, a: Any, b: Array) -> Array:
    return batched_matmul(y, b.swapaxes(1, 2))


def _gradient_of_second(y: Array, a: Array, b: Any) -> Array:
    # On a CPU a product with a transposed operand is slow where the sum runs over many rows.
    return batched_matmul(linear_map(_swap, _swap, None, a), y)


def shape(function: Callable[..., Array]) -> Callable[..., ShapedArray]:
    """Abstract evaluation of a primitive: the shape of the result of `function`."""

    def abstract(*args: Any, **params: Any) -> ShapedArray:
        result = jax.eval_shape(
            partial(function, **params), *(jax.ShapeDtypeStruct(a.shape, a.dtype) for a in args)
        )
        return ShapedArray(result.shape, result.dtype)

    return abstract


def define(primitive: Primitive, function: Callable[..., Array]) -> None:
    """Have a primitive compute `function`, compiled also where it stands alone."""
    primitive.def_impl(lambda *args, **params: jax.jit(partial(function, **params))(*args))
    primitive.def_abstract_eval(shape(function))
    mlir.register_lowering(primitive, mlir.lower_fun(function, multiple_results=False))


def one_by_one(
    primitive: Primitive, args: Sequence[Array], axes: Sequence[int | None], **params: Any
) -> Any:
    """Rule of `vmap` that computes a primitive for one element of the batch after another."""
    size = next(a.shape[i] for a, i in zip(args, axes, strict=True) if i is not None)
    stacked = [batching.bdim_at_front(a, i, size) for a, i in zip(args, axes, strict=True)]
    return lax.map(lambda pair: primitive.bind(*pair, **params), tuple(stacked)), 0


_linear, _product = Primitive("dlfun_linear"), Primitive("dlfun_product")
for _primitive, _function in ((_linear, _compute), (_product, _dot)):
    _primitive.def_impl(_function)
    _primitive.def_abstract_eval(shape(_function))
    mlir.register_lowering(_primitive, mlir.lower_fun(_function, multiple_results=False))
ad.deflinear2(_linear, _transpose)
ad.defbilinear(_product, _gradient_of_first, _gradient_of_second)
batching.primitive_batchers[_linear] = _batched
batching.primitive_batchers[_product] = lambda args, axes: (jax.vmap(_dot, axes)(*args), 0)
