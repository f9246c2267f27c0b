"""What a model is made of, layer by layer, found by tracing: nothing is computed."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
from rich.table import Table

from dlfun import experiment as experiments
from dlfun.errors import UserError
from dlfun.nn import receptive_field as receptive
from dlfun.nn.layers.conv_transpose import ConvTranspose
from dlfun.nn.layers.pooling import Pool
from dlfun.nn.receptive_field import Field

Shape = tuple[int, ...]


class Row(NamedTuple):
    """One call of one layer; shapes are of one example."""

    path: tuple[str, ...]
    """Where the layer's parameters lie among the model's."""
    kind: str
    """The layer's class."""
    input: Shape
    output: Shape
    parameters: int
    """0 where an earlier call of the same layer has counted them."""
    multiply_adds: int
    field: Field | None = None
    """What a position of the output sees of the input of the model, where that is a rectangle."""

    @property
    def name(self) -> str:
        """The path as text; the model's own class where the model itself is the layer."""
        return "/".join(self.path) or self.kind


def summarize(model: nn.Module, inputs: jax.ShapeDtypeStruct | jax.Array) -> list[Row]:
    """A row for each layer, in the order of their calls.

    A layer is a module that owns parameters or calls no other. `inputs` is a batch, or its shape
    and type. Multiply-adds are those of the definition, per example: Σ over a layer's parameters of
    two or more axes (kernels) of size × positions, where positions = output elements / output
    features. That is 1 for a dense layer, the number of output pixels for a convolution, of time
    steps for a recurrent layer. For a transposed convolution they are those of the input. Biases,
    activations and pooling are left out, and so is what a faster algorithm saves.
    """
    rows: dict[int, Row] = {}
    windows: dict[int, tuple] = {}
    paths: set[tuple[str, ...]] = set()
    calls = 0

    def record(call, arguments, keywords, context):
        nonlocal calls
        if context.method_name != "__call__":
            return call(*arguments, **keywords)
        calls += 1
        number = calls
        output = call(*arguments, **keywords)
        module = context.module
        own = [
            value
            for value in module.variables.get("params", {}).values()
            if not isinstance(value, dict)
        ]
        holds_none = calls == number
        if own or holds_none:
            out = _example(output)
            read = _example((arguments, keywords))
            positions = math.prod((read if isinstance(module, ConvTranspose) else out)[:-1])
            sizes = [math.prod(value.shape) for value in own]
            row = Row(
                module.path,
                type(module).__name__,
                read,
                out,
                0 if module.path in paths else sum(sizes),
                positions * sum(n for n, v in zip(sizes, own, strict=True) if v.ndim > 1),
            )
            paths.add(module.path)
            rows[number] = row
            if isinstance(module, Pool):
                windows[number] = module.geometry(read[:-1])
            if arguments and isinstance(output, jax.Array):
                output = receptive.mark(number, arguments[0], output)
        return output

    with nn.intercept_methods(record):
        # A function of its own for each call: a cached trace would call no layer.
        traced = jax.make_jaxpr(lambda x: model.init(jax.random.key(0), x))(inputs)
    seen = receptive.fields(traced.jaxpr, windows)
    return [rows[number]._replace(field=seen.get(number)) for number in sorted(rows)]


def summarize_experiment(name: str, config: Any) -> list[Row]:
    """`summarize` for the model of an experiment on its dataset.

    Raises UserError where the experiment has no model, and what its `build` raises.
    """
    return summarize_built(name, experiments.load(name).build(config))


def summarize_built(name: str, experiment: experiments.Experiment) -> list[Row]:
    """`summarize` for the model of an experiment that is built."""
    if experiment.model is None:
        raise UserError(f"experiment '{name}' has no single model to summarize")
    read = next(iter(experiment.dataset.splits["train"].values()))
    stored = jax.ShapeDtypeStruct((1, *read.shape[1:]), read.dtype)
    inputs = experiment.inputs or (lambda x: x)
    return summarize(experiment.model, jax.eval_shape(inputs, stored))


def to_dict(rows: Sequence[Row]) -> dict[str, Any]:
    """Rows and totals as plain JSON values."""
    return {
        "layers": [
            {"name": row.name}
            | {k: v for k, v in row._asdict().items() if k not in ("path", "field")}
            | {"receptive_field": row.field and row.field._asdict() | {"centre": row.field.centre}}
            for row in rows
        ],
        "parameters": sum(row.parameters for row in rows),
        "multiply_adds": sum(row.multiply_adds for row in rows),
    }


def render(rows: Sequence[Row]) -> Table:
    """Rows and totals as a table."""
    totals = to_dict(rows)
    table = Table(show_footer=True)
    table.add_column("layer", "total")
    table.add_column("type")
    table.add_column("input")
    table.add_column("output")
    for name in ("parameters", "multiply_adds"):
        heading = name.replace("_", "-")
        table.add_column(heading, f"{totals[name]:,}", justify="right", no_wrap=True)
    if any(row.field for row in rows):
        table.add_column("receptive field")
    for row in rows:
        numbers = f"{row.parameters:,}", f"{row.multiply_adds:,}"
        seen = f"{_times(row.field.size)}, {_times(row.field.jump)} apart" if row.field else ""
        cells = row.name, row.kind, _times(row.input), _times(row.output), *numbers, seen
        table.add_row(*cells[: len(table.columns)])
    return table


def _times(shape: Shape) -> str:
    return "×".join(map(str, shape))


def _example(tree: Any) -> Shape:
    """The shape of one example of the first array in `tree`."""
    arrays = [leaf for leaf in jax.tree.leaves(tree) if hasattr(leaf, "shape")]
    return tuple(arrays[0].shape[1:]) if arrays else ()
