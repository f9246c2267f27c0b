"""The networks that a learner calls as it makes its state, and where their parameters lie in it."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

Path = tuple[str, ...]
NO_PARAMETERS = frozenset(["optimizer", "collections", "batch_stats", "acting", "kept", "measured"])
"""Parts of a state without parameters: the optimizer's memory, running statistics, an agent in its
environment with what it remembers, and the record of a training."""
MEMORY = frozenset(["optimizer", "acting", "kept", "measured"])
"""Parts of a state that a trained network does without."""


class Network(NamedTuple):
    """A call of a Flax module that no other module calls."""

    kind: str
    """The module's class."""
    rows: dict[int, Any]
    """The rows of a summary, by the number of the layer's call."""
    params: dict[Path, Any]
    """Its parameters, as they are traced."""


def first_calls(networks: Sequence[Network]) -> list[Network]:
    """The networks, but not those that another call with the same parameters comes before."""
    seen: set[int] = set()
    kept = []
    for network in networks:
        arrays = {id(array) for array in network.params.values()}
        if network.rows and not (arrays and arrays <= seen):
            kept.append(network)
        seen |= arrays
    return kept


def network_paths(networks: Sequence[Network], params: Mapping[Path, Any]) -> list[Path]:
    """Paths of the networks' parameters in the state.

    Parameters are recognized by their identity as traced arrays. A network whose parameters `init`
    has replaced is named by its class, and numbered where there are others.
    """
    by_identity = {id(array): path for path, array in reversed(list(params.items()))}
    paths = []
    for number, network in enumerate(networks, 1):
        candidates = [
            by_identity[id(array)][: -len(path)]
            for path, array in network.params.items()
            if id(array) in by_identity
        ]
        numbered = (f"{network.kind} {number}",) if len(networks) > 1 else ()
        paths.append(candidates[0] if candidates else numbered)
    return paths


def is_parameter(network: Network, path: Path, array: Any) -> bool:
    """True if an array of the state is a parameter of the network: by its name and shape.

    It may have more axes in front, where `init` makes several networks by `vmap`.
    """
    return any(
        path[-len(inner) :] == inner and array.shape[array.ndim - param.ndim :] == param.shape
        for inner, param in network.params.items()
    )


def parameters(state: Any, without: frozenset[str] = NO_PARAMETERS) -> dict[Path, Any]:
    """The arrays of floats in a state by their paths, without those of optimizers.

    `without` names the parts of a state that are left out.
    """
    paths, leaves, _ = _flatten(state, without)
    return {path: leaf for path, leaf in zip(paths, leaves, strict=True) if path is not None}


def replace_parameters(state: Any, new: Mapping[Path, Any], without: frozenset[str]) -> Any:
    """The state with the arrays at some of the paths of `parameters` replaced."""
    paths, leaves, structure = _flatten(state, without)
    pairs = zip(paths, leaves, strict=True)
    replaced = [leaf if path is None else new.get(path, leaf) for path, leaf in pairs]
    return structure.unflatten(replaced)


def _flatten(state: Any, without: frozenset[str]) -> tuple[list[Path | None], list[Any], Any]:
    """Paths, leaves and structure of a state; a leaf that is no parameter has the path None."""

    def of_optax(node: Any) -> bool:
        return type(node).__module__.startswith("optax.")

    flat, structure = jax.tree_util.tree_flatten_with_path(state, is_leaf=of_optax)
    paths: list[Path | None] = []
    for keys, leaf in flat:
        names = tuple(jax.tree_util.keystr((key,), simple=True) for key in keys)
        floats = hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jnp.inexact)
        path = tuple(name for name in names if name not in ("params", "collections"))
        paths.append(path if floats and without.isdisjoint(names) else None)
    return paths, [leaf for _, leaf in flat], structure
