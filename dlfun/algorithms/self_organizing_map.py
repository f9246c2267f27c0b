"""The self-organizing map: units on a grid whose weights follow the data, neighbours together.

For an example x the winner c is the unit of the nearest weights. Every unit u moves towards x,

    w_u ← w_u + η h(u, c) (x − w_u),    h(u, c) = exp(−‖r_u − r_c‖² / (2 σ²))

where r is a unit's place on the grid, so units near the winner move most (Kohonen 1982). The rate η
and the radius σ decay over the training. With σ = 0 the winner moves alone, which is k-means.
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from dlfun import metrics
from dlfun.errors import UserError
from dlfun.learner import Batch, Key, Learner, if_counted
from dlfun.metrics import Metrics

Decay = Callable[[float | Array, Array], Array]
"""(start, share τ of the training that is done) → the value now."""
DECAYS: dict[str, Decay] = {
    "asymptotic": lambda start, share: start / (1 + 2 * share),
    "inverse": lambda start, share: start / (1 + 100 * share),
    "linear": lambda start, share: start * (1 - share),
    "inverse_to_one": lambda start, share: start / (1 + (start - 1) * share),
    "linear_to_one": lambda start, share: start + (1 - start) * share,
}
"""MiniSom's schedules: to a third, to a hundredth and to 0; those to one are for the radius."""
Topology = Literal["rectangular", "hexagonal"]


class Grid(NamedTuple):
    """Units (i, j) of a map, numbered i · height + j."""

    width: int
    height: int
    topology: Topology = "rectangular"

    def positions(self) -> Float[np.ndarray, "units 2"]:
        """The position r of each unit: (i, j), or of a hexagonal grid (i or i − ½, j √3/2).

        Every second row of a hexagonal grid, counted from the last, is shifted by −½, so that the
        six neighbours of a unit are at distance 1 (as in MiniSom). Raises UserError of a map of no
        unit, or of one, whose error of topology is not defined.
        """
        if self.width < 1 or self.height < 1 or self.width * self.height < 2:
            raise UserError(
                f"a map of {self.width} × {self.height} units: expected at least 2 units, since its"
                " error of topology compares the nearest two"
            )
        i, j = (axis.ravel() for axis in np.indices((self.width, self.height)).astype(np.float64))
        if self.topology == "hexagonal":
            i, j = i - 0.5 * ((self.height - 1 - j) % 2 == 0), j * np.sqrt(3) / 2
        return np.stack([i, j], axis=1)

    def squared_distances(self) -> Float[np.ndarray, "units units"]:
        """‖r_u − r_c‖² of all pairs."""
        positions = self.positions()
        return np.square(positions[:, None] - positions).sum(axis=-1)

    def neighbours(self) -> Bool[np.ndarray, "units units"]:
        """The pairs of units that touch: up to eight of a rectangular grid, six of a hexagonal."""
        squared, most = self.squared_distances(), 1.01 if self.topology == "hexagonal" else 2.01
        return (squared > 0) & (squared < most)


class MapState(NamedTuple):
    """The weights, and how much of the training is done."""

    weights: Float[Array, "units features"]
    done: Int[Array, ""]
    """Examples seen, or updates made under the batch rule."""


def squared_distances(
    x: Float[Array, "batch features"], weights: Float[Array, "units features"]
) -> Float[Array, "batch units"]:
    """‖x − w‖² of each example and unit."""
    product = jnp.matmul(x, weights.T, precision="highest")
    squares = jnp.square(x).sum(axis=1)[:, None] + jnp.square(weights).sum(axis=1)
    return jnp.maximum(squares - 2 * product, 0)


def quantization_error(
    x: Float[Array, "batch features"], weights: Float[Array, "units features"]
) -> Float[Array, " batch"]:
    """‖x − w_c‖, the distance of each example from its winner."""
    winner = squared_distances(x, weights).argmin(axis=1)
    return jnp.linalg.norm(x - weights[winner], axis=1)


def topographic_error(
    grid: Grid, x: Float[Array, "batch features"], weights: Float[Array, "units features"]
) -> Float[Array, " batch"]:
    """1 for each example whose two nearest units do not touch on the grid, else 0."""
    _, nearest = lax.top_k(-squared_distances(x, weights), 2)
    touch = jnp.asarray(grid.neighbours())[nearest[:, 0], nearest[:, 1]]
    return (~touch).astype(x.dtype)


def unified_distances(
    grid: Grid, weights: Float[np.ndarray, "units features"]
) -> Float[np.ndarray, " units"]:
    """The U-matrix: each unit's mean distance ‖w − w'‖ from the units it touches (Ultsch 1990)."""
    touch, weights = grid.neighbours(), np.asarray(weights, np.float64)
    pairs = np.argwhere(touch)
    distances = np.linalg.norm(weights[pairs[:, 0]] - weights[pairs[:, 1]], axis=1)
    return np.bincount(pairs[:, 0], distances, len(weights)) / touch.sum(axis=1)


def self_organizing_map(
    grid: Grid,
    examples: Float[Array | np.ndarray, "examples features"],
    steps: int,
    *,
    rate: float | Array = 0.5,
    radius: float | Array = 1.0,
    rate_decay: str = "asymptotic",
    radius_decay: str = "asymptotic",
    rule: Literal["online", "batch"] = "online",
    inputs: Callable[[Batch], Float[Array, "batch features"]] = lambda batch: batch["x"],
) -> Learner:
    """Learner of a map.

    The online rule is the formula above, for one example of a batch after another. The batch rule
    moves all units once, to where the whole batch x₁, x₂, … with winners c₁, c₂, … would have them:

        w_u ← (1 − η) w_u + η Σₙ h(u, cₙ) xₙ / Σₙ h(u, cₙ)    (Kohonen 2013)

    "quantization_error" and "topographic_error" are means over examples; "loss" is the mean squared
    distance to the winner, before its move in training. Predictions are the winners' numbers.

    Args:
        grid: the units and their positions.
        examples: from which the units start, drawn by the key; at least as many as units.
        steps: length of the training, over which η and σ decay: in examples, or under the batch
            rule in updates.
        rate: η at the start.
        radius: σ at the start, in units of the grid.
        rate_decay: name in `DECAYS`.
        radius_decay: name in `DECAYS`.
        rule: "online" or "batch".
        inputs: from a batch to the examples x.

    Raises:
        UserError: fewer examples than units, no step, or a name that is none of those above; from
            the functions, data with another number of values than the examples.
    """
    names = {
        "rate_decay": (rate_decay, DECAYS),
        "radius_decay": (radius_decay, DECAYS),
        "topology": (grid.topology, get_args(Topology)),
    }
    for what, (name, known) in names.items():
        if name not in known:
            raise UserError(f"{what} must be one of {', '.join(known)}, got '{name}'")
    if steps < 1:
        raise UserError(f"a map is trained for at least 1 step, got {steps}")
    units, features = len(grid.positions()), examples.shape[1]
    if len(examples) < units:
        raise UserError(
            f"a map of {units:,} units starts at as many examples: got only {len(examples):,}"
        )

    def init(key: Key, batch: Batch) -> MapState:
        chosen = jax.random.choice(key, len(examples), (units,), replace=False)
        return MapState(jnp.asarray(examples)[chosen], jnp.int32(0))

    def read(batch: Batch) -> Float[Array, "batch features"]:
        x = inputs(batch)
        if x.shape[1] != features:
            raise UserError(
                f"the map's units have {features} weights, the data {x.shape[1]} values"
            )
        return x

    def schedule(state: MapState, done: Array) -> tuple[Array, Array]:
        """η and 1/(2σ²) after `done` steps."""
        dtype = state.weights.dtype
        share = done.astype(dtype) / steps
        eta = DECAYS[rate_decay](rate, share)
        sigma = DECAYS[radius_decay](radius, share)
        # At radius 0 only the winner itself, at distance 0, is left.
        inverse = 1 / jnp.maximum(2 * jnp.square(sigma), 1e-6)
        return jnp.asarray(eta, dtype), jnp.asarray(inverse, dtype)

    def online(state: MapState, x: Array, weight: Array) -> tuple[MapState, Array]:
        away = jnp.asarray(grid.squared_distances(), x.dtype)
        seen = jnp.cumsum(weight.astype(jnp.int32))
        eta, inverse = schedule(state, state.done + seen - 1)

        def move(carry: tuple[Array, Array], example: tuple[Array, ...]) -> tuple[Any, Array]:
            # The ‖w‖² follow their formula: summing them anew would read all weights once more.
            weights, squares = carry
            x, square, eta, inverse = example
            product = jnp.matmul(weights, x, precision="highest")
            nearness = squares - 2 * product
            pull = eta * jnp.exp(-away[nearness.argmin()] * inverse)
            rest = 1 - pull
            squares = rest * rest * squares + 2 * pull * rest * product + pull * pull * square
            weights = weights + pull[:, None] * (x - weights)
            return (weights, squares), jnp.maximum(nearness.min() + square, 0)

        start = state.weights, jnp.square(state.weights).sum(axis=1)
        rows = x, jnp.square(x).sum(axis=1), weight * eta, inverse
        (weights, _), squared = lax.scan(move, start, rows)
        return MapState(weights, state.done + seen[-1]), squared

    def batch_rule(state: MapState, x: Array, weight: Array) -> tuple[MapState, Array]:
        eta, inverse = schedule(state, state.done)
        distances = squared_distances(x, state.weights)
        won = jax.nn.one_hot(distances.argmin(axis=1), units, dtype=x.dtype) * weight[:, None]
        near = jnp.exp(-jnp.asarray(grid.squared_distances(), x.dtype) * inverse)
        total, share = near @ (won.T @ x), (near @ won.sum(axis=0))[:, None]
        mean = total / jnp.where(share > 0, share, 1)
        moved = jnp.where(share > 0, (1 - eta) * state.weights + eta * mean, state.weights)
        return MapState(moved, state.done + 1), distances.min(axis=1)

    def update(state: MapState, batch: Batch, key: Key) -> tuple[MapState, Metrics]:
        x = read(batch)
        weight = batch["weight"].astype(x.dtype)
        new, squared = (online if rule == "online" else batch_rule)(state, x, weight)
        measured = {
            "loss": metrics.mean(squared, weight),
            "quantization_error": metrics.mean(jnp.sqrt(squared), weight),
        }
        return if_counted(batch, weight.sum(), new, measured, state)

    def evaluate(state: MapState, batch: Batch, key: Key) -> Metrics:
        x, weight = read(batch), batch["weight"]
        error = quantization_error(x, state.weights)
        return {
            "loss": metrics.mean(jnp.square(error), weight),
            "quantization_error": metrics.mean(error, weight),
            "topographic_error": metrics.mean(topographic_error(grid, x, state.weights), weight),
        }

    def predict(state: MapState, batch: Batch) -> Int[Array, " batch"]:
        return squared_distances(read(batch), state.weights).argmin(axis=1)

    return Learner(init, update, evaluate, predict)
