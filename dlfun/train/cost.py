"""The work of a training step that a CPU's matrix library leaves on one core."""

import math
from typing import Any

import jax
from jax.extend import core

from dlfun.experiment import Stage
from dlfun.train.loop import sample_batch

MULTIPLY_ADDS = 50_000_000
"""A step with more of them in small products is faster split over two CPU devices."""


def pays_on_two(stage: Stage) -> bool:
    """True if a step on a CPU is faster with its batch split over two virtual devices.

    That is so where it consists of many products too small for a matrix library to spread over the
    cores: convolutions, and products inside a `lax.scan`.
    """
    learner, example = stage.learner, sample_batch(stage.dataset)
    key = jax.random.key(0)
    state = jax.eval_shape(learner.init, key, example)
    batch = {
        name: jax.ShapeDtypeStruct((stage.batch_size, *array.shape[1:]), array.dtype)
        for name, array in example.items()
    }
    traced = jax.make_jaxpr(learner.update)(state, batch, key)
    return small_products(traced.jaxpr) >= MULTIPLY_ADDS


def small_products(jaxpr: core.Jaxpr, in_scan: bool = False) -> int:
    """Multiply-adds of the convolutions in a program, and of the products inside its scans."""
    total = 0
    for equation in jaxpr.eqns:
        name, parameters = equation.primitive.name, equation.params
        inner = [small_products(each, in_scan or name == "scan") for each in _inner(parameters)]
        if name == "conv_general_dilated":
            kernel = _shape(equation.invars[1])
            features = kernel[parameters["dimension_numbers"].rhs_spec[0]]
            total += math.prod(_shape(equation.outvars[0])) * math.prod(kernel) // features
        elif name == "dot_general" and in_scan:
            (contracted, _), _ = parameters["dimension_numbers"]
            shape = _shape(equation.invars[0])
            length = math.prod(shape[axis] for axis in contracted)
            total += math.prod(_shape(equation.outvars[0])) * length
        elif name == "scan":
            total += parameters["length"] * sum(inner)
        elif name == "cond":
            total += max(inner)
        else:
            total += sum(inner)
    return total


def _inner(parameters: dict[str, Any]) -> list[core.Jaxpr]:
    """The programs that an equation calls."""
    called = []
    for value in parameters.values():
        for item in value if isinstance(value, tuple | list) else (value,):
            if isinstance(item, core.ClosedJaxpr):
                called.append(item.jaxpr)
            elif isinstance(item, core.Jaxpr):
                called.append(item)
    return called


def _shape(variable: Any) -> tuple[int, ...]:
    return variable.aval.shape
