"""Tables of a learner's layers, by tracing: nothing is computed."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax

from dlfun.learner import Batch, Learner, State
from dlfun.nn import receptive_field as receptive
from dlfun.nn.layers.conv_transpose import ConvTranspose
from dlfun.nn.layers.pooling import Pool
from dlfun.nn.networks import Network, Path, first_calls, is_parameter, network_paths, parameters
from dlfun.nn.receptive_field import Field

Shape = tuple[int, ...]


class Row(NamedTuple):
    """One call of one layer, whose shapes are of one example; or one array of a state."""

    path: Path
    """Path of the layer's parameters among those of its network."""
    kind: str
    """The layer's class; "array" for an array of the state."""
    input: Shape
    output: Shape
    """The shape of an array of the state."""
    parameters: int
    """0 where an earlier call of the same layer has counted them."""
    multiply_adds: int
    field: Field | None = None
    """The part of the network's input that a position of the output depends on, if a rectangle."""
    network: Path = ()
    """Path of the network's parameters in the learner's state."""

    @property
    def name(self) -> str:
        """Network and path as text; the network's class where it is itself the layer."""
        return "/".join(self.network + (self.path or (self.kind,)))


def summarize(model: nn.Module, inputs: jax.ShapeDtypeStruct | jax.Array) -> list[Row]:
    """`summarize_learner` for the layers of one model; `inputs` are a batch, or shape and type."""
    return _rows(lambda x: model.init(jax.random.key(0), x).get("params", {}), inputs)


def summarize_learner(learner: Learner, batch: Batch) -> list[Row]:
    """A row for each layer that `init` calls, in order, and for each array that no layer owns.

    A layer is a module that owns parameters or calls no other. Multiply-adds are those of the
    definition, per example: Σ over a layer's parameters of two or more axes (kernels) of size ×
    positions, where positions = output elements / output features. That is 1 for a dense layer, the
    number of output pixels for a convolution, of time steps for a recurrent layer. For a transposed
    convolution they are those of the input. Biases, activations and pooling are left out, and so is
    what a faster algorithm saves.

    Arrays are those of the state, as the weights of a perceptron and the centres of k-means. Single
    numbers beside a network, as a best loss, are left out.
    """
    return _rows(lambda batch: learner.init(jax.random.key(0), batch), dict(batch))


def layer_parameters(state: State, row: Row) -> dict[str, Any]:
    """The parameters by name, in a state of the learner, of the layer that a row describes."""
    params = parameters(state).items()
    return {path[-1]: array for path, array in params if path[:-1] == row.network + row.path}


def _rows(init: Callable[[Any], State], batch: Any) -> list[Row]:
    networks: list[Network] = []
    windows: dict[int, tuple] = {}
    params: dict[Path, Any] = {}
    calls, inside = 0, False

    def record(call: Callable, arguments: tuple, keywords: dict, context: Any) -> Any:
        nonlocal inside
        module = context.module
        if module.scope is None:  # A method that needs no parameters, such as a first carry.
            return call(*arguments, **keywords)
        if inside and module.path and context.method_name == "__call__":
            return layer(call, arguments, keywords, module)
        if inside or module.path:
            # A network that a layer applies for itself is a part of the layer.
            return call(*arguments, **keywords)
        if arguments and isinstance(arguments[0], jax.Array):
            arguments = (receptive.mark_input(arguments[0]), *arguments[1:])
        networks.append(Network(type(module).__name__, {}, {}))
        inside = True
        called = context.method_name == "__call__"
        output = (
            layer(call, arguments, keywords, module) if called else call(*arguments, **keywords)
        )
        inside = False
        networks[-1].params.update(parameters(module.variables.get("params", {})))
        return output

    def layer(call: Callable, arguments: tuple, keywords: dict, module: nn.Module) -> Any:
        nonlocal calls
        calls += 1
        number = calls
        output = call(*arguments, **keywords)
        variables = module.variables.get("params", {}).values()
        arrays = [value for value in variables if not isinstance(value, Mapping)]
        if not arrays and calls > number:
            return output
        out, read = _example(output), _example((arguments, keywords))
        positions = math.prod((read if isinstance(module, ConvTranspose) else out)[:-1])
        size, kernels = (sum(a.size for a in arrays if a.ndim > axes) for axes in (-1, 1))
        row = Row(module.path, type(module).__name__, read, out, size, positions * kernels)
        networks[-1].rows[number] = row
        if isinstance(module, Pool):
            windows[number] = module.geometry(read[:-1])
        if arguments and isinstance(output, jax.Array):
            output = receptive.mark(number, arguments[0], output)
        return output

    def traced(batch: Any) -> State:
        state = init(batch)
        params.update(parameters(state))
        return state

    with nn.intercept_methods(record):
        # A function made for each call: a cached trace would call no layer.
        jaxpr = jax.make_jaxpr(traced)(batch)
    fields = receptive.fields(jaxpr.jaxpr, windows)
    networks = first_calls(networks)
    rows = []
    for network, prefix in zip(networks, network_paths(networks, params), strict=True):
        arrays = {path: params.get(prefix + path, array) for path, array in network.params.items()}
        counted: set[Path] = set()
        for number, row in sorted(network.rows.items()):
            size = sum(array.size for path, array in arrays.items() if path[:-1] == row.path)
            # More than was traced, if a loop or `vmap` makes many layers of one.
            times = size // row.parameters if row.parameters else 1
            if times > 1 and row.path in counted:
                continue  # `nn.scan` traces its layer twice.
            rows.append(
                row._replace(
                    parameters=0 if row.path in counted else size,
                    multiply_adds=times * row.multiply_adds,
                    field=fields.get(number),
                    network=prefix,
                )
            )
            counted.add(row.path)
    return rows + [
        Row(path, "array", (), array.shape, array.size, 0)
        for path, array in params.items()
        if not any(is_parameter(network, path, array) for network in networks)
        and (array.shape or not networks)
    ]


def to_dict(rows: Sequence[Row]) -> dict[str, Any]:
    """Rows and totals as plain JSON values."""
    return {
        "layers": [
            {"name": row.name}
            | {k: v for k, v in row._asdict().items() if k not in ("path", "field", "network")}
            | {"receptive_field": row.field and row.field._asdict() | {"centre": row.field.centre}}
            for row in rows
        ],
        "parameters": sum(row.parameters for row in rows),
        "multiply_adds": sum(row.multiply_adds for row in rows),
    }


def _example(tree: Any) -> Shape:
    """The shape of one example of the first array in `tree`."""
    arrays = [leaf for leaf in jax.tree.leaves(tree) if hasattr(leaf, "shape")]
    return tuple(arrays[0].shape[1:]) if arrays else ()
