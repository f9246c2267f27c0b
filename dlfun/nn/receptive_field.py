"""Receptive fields: the part of the image on which a position of a layer's output depends.

Fields are computed from the jaxpr of a network: windows enlarge a field, sums and concatenations of
branches unite the fields of their parts, and an operation that mixes all positions has none.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
from jax.extend.core import Literal

from dlfun.nn.kernels import geometry
from dlfun.nn.kernels.geometry import Pads

MARK, INPUT = "layer_", "network_input_"
# fmt: off
ELEMENTWISE = frozenset([
    "abs", "add", "add_any", "and", "clamp", "convert_element_type", "copy", "cos", "div", "eq",
    "erf", "exp", "expm1", "ge", "gt", "integer_pow", "is_finite", "le", "log", "log1p",
    "logistic", "lt", "max", "min", "mul", "ne", "neg", "not", "or", "pow", "rsqrt", "select_n",
    "sign", "sin", "sqrt", "square", "stop_gradient", "sub", "tanh",
])
# fmt: on


class Field(NamedTuple):
    """Receptive fields of all positions of a map; an entry for each axis of space.

    Along an axis, position i depends on `size` pixels from `first` + i · `jump` on. Pixels outside
    the image are padding. So are those that a stride leaves over and the padding of a later layer
    covers.
    """

    size: tuple[int, ...]
    jump: tuple[int, ...]
    first: tuple[int, ...]

    @property
    def centre(self) -> tuple[float, ...]:
        """Centre of the field of position 0, in pixels."""
        return tuple(f + (s - 1) / 2 for f, s in zip(self.first, self.size, strict=True))


def through(field: Field, reach: Sequence[int], strides: Sequence[int], pads: Pads) -> Field:
    """Field after one more window (Araujo, Norris & Sim, 2019).

    r_l = r_{l-1} + (k_l - 1) j_{l-1}, j_l = s_l j_{l-1}, first_l = first_{l-1} - p_l j_{l-1}, where
    the jump j is the product of the strides so far and k_l is the span of the window. ([T1, sec.
    3.2.2] says that larger strides and padding make a field smaller. In fact a stride enlarges the
    fields of later layers, and padding leaves their size unchanged.)
    """
    axes = list(zip(field.size, field.jump, field.first, reach, strides, pads, strict=True))
    return Field(
        tuple(r + (k - 1) * j for r, j, _, k, _, _ in axes),
        tuple(s * j for _, j, _, _, s, _ in axes),
        tuple(f - lo * j for _, j, f, _, _, (lo, _) in axes),
    )


def mark(number: int, x: jax.Array, y: jax.Array) -> jax.Array:
    """Return `y`, the output of layer `number` for `x`, marked for `fields` in the jaxpr."""

    def layer(x: jax.Array, y: jax.Array) -> jax.Array:
        return y

    layer.__name__ = f"{MARK}{number}"
    return jax.jit(layer)(x, y)


def mark_input(x: jax.Array) -> jax.Array:
    """Return `x`, the input of a network, marked as such in the jaxpr."""

    def network_input(x: jax.Array) -> jax.Array:
        return x

    network_input.__name__ = f"{INPUT}{x.ndim}"
    return jax.jit(network_input)(x)


def fields(jaxpr: Any, windows: Mapping[int, tuple]) -> dict[int, Field]:
    """Fields of the marked layers that have one, by their number.

    They are fields in the marked input of the layer's network, images [batch, *space, channels].
    `windows` holds the (reach, strides, pads) of the layers with windows other than convolutions,
    such as pooling.
    """
    result: dict[int, Field] = {}
    _walk(jaxpr, [set()] * len(jaxpr.invars), windows, result)
    return result


def _walk(
    jaxpr: Any, arguments: list[set], windows: Mapping, result: dict[int, Field]
) -> list[set]:
    """Fields of the outputs, from those of the arguments; adds those of marked layers to `result`.

    Each is a set: empty where a value does not depend on the image, of one field, or {None} where
    it depends on all of the image, or on no rectangle.
    """
    by_variable = dict(zip(jaxpr.invars, arguments, strict=True))
    for eqn in jaxpr.eqns:
        if not eqn.outvars:
            continue  # A transformation such as a gradient has left out what is not used.
        seen = [set() if isinstance(v, Literal) else by_variable.get(v, set()) for v in eqn.invars]
        name = str(eqn.params.get("name", ""))
        inner = _inner(eqn)
        if name.startswith(MARK):
            number = int(name.removeprefix(MARK))
            before, after = seen
            if number in windows:
                after = {f and through(f, *windows[number]) for f in before}
            for field in after - {None}:
                result[number] = field
            outputs = [after]
        elif name.startswith(INPUT):
            outputs = [_pixels(eqn.invars[0].aval.ndim, int(name.removeprefix(INPUT)))]
        elif inner is not None:
            outputs = _walk(inner, seen[len(seen) - len(inner.invars) :], windows, result)
        else:
            outputs = [_of_primitive(eqn, seen)] * len(eqn.outvars)
        by_variable |= zip(eqn.outvars, outputs, strict=True)
    return [set() if isinstance(v, Literal) else by_variable.get(v, set()) for v in jaxpr.outvars]


def _pixels(axes: int, expected: int) -> set:
    """Field of the pixels of an input; none without space, or where `vmap` has added axes."""
    space = axes - 2
    if space < 1 or axes != expected:
        return set()
    return {Field((1,) * space, (1,) * space, (0,) * space)}


def _inner(eqn: Any) -> Any:
    """The jaxpr that an equation calls once; of a choice by platform, the native branch."""
    if eqn.primitive.name == "cond":
        return eqn.params["branches"][-1].jaxpr
    if eqn.primitive.name in ("scan", "while"):
        return None
    called = eqn.params.get("jaxpr", eqn.params.get("call_jaxpr"))
    return getattr(called, "jaxpr", called)


def _of_primitive(eqn: Any, seen: list[set]) -> set:
    """Field of the output of one primitive."""
    all_seen = set().union(*seen)
    if not all_seen or None in all_seen:
        return all_seen and {None}
    name, params, shape = eqn.primitive.name, eqn.params, eqn.invars[0].aval.shape
    if name in ELEMENTWISE:
        return {_union(all_seen)}
    if name == "concatenate" and params["dimension"] == len(shape) - 1:
        return {_union(all_seen)}
    (field,) = all_seen
    inside = slice(1, len(shape) - 1)
    if name == "conv_general_dilated" and not seen[1]:
        order, strides = params["dimension_numbers"].lhs_spec, params["window_strides"]
        last = len(shape) - 1
        if order == (0, last, *range(1, last)) and set(params["lhs_dilation"]) == {1}:
            window = [eqn.invars[1].aval.shape[i] for i in params["dimension_numbers"].rhs_spec[2:]]
            reach = geometry.span(window, params["rhs_dilation"])
            return {through(field, reach, strides, params["padding"])}
    elif name == "slice":
        strides = (params["strides"] or (1,) * len(shape))[inside]
        starts = [(-start, 0) for start in params["start_indices"][inside]]
        return {through(field, (1,) * len(strides), strides, starts)}
    elif name == "pad" and not any(between for _, _, between in params["padding_config"]):
        pads = [(int(lo), int(hi)) for lo, hi, _ in params["padding_config"][inside]]
        return {through(field, (1,) * len(pads), (1,) * len(pads), pads)}
    return {None}


def _union(fields: set[Field]) -> Field | None:
    """The smallest field that contains all, where their jumps are equal; else None."""
    if len({field.jump for field in fields}) > 1:
        return None
    ends = [[f + s for f, s in zip(x.first, x.size, strict=True)] for x in fields]
    first = tuple(map(min, zip(*(x.first for x in fields), strict=True)))
    last = map(max, zip(*ends, strict=True))
    size = tuple(end - start for end, start in zip(last, first, strict=True))
    return Field(size, next(iter(fields)).jump, first)
