"""The map has MiniSom's errors and U-matrix, and learns the same weights from the same start."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dlfun.algorithms.self_organizing_map import (
    Grid,
    MapState,
    quantization_error,
    self_organizing_map,
    topographic_error,
    unified_distances,
)
from dlfun.errors import UserError

minisom = pytest.importorskip("minisom")

TOPOLOGIES = ("rectangular", "hexagonal")
X = np.random.default_rng(0).random((200, 5)).astype(np.float32)
THEIRS = {
    "asymptotic": ("asymptotic_decay", "asymptotic_decay"),
    "linear": ("linear_decay_to_zero", "linear_decay_to_one"),
    "inverse": ("inverse_decay_to_zero", "inverse_decay_to_one"),
}


def reference(grid, decay="asymptotic"):
    """MiniSom with its units at the first examples."""
    rate_decay, radius_decay = THEIRS[decay]
    som = minisom.MiniSom(
        grid.width, grid.height, 5, sigma=2.0, learning_rate=0.5, topology=grid.topology,
        decay_function=rate_decay, sigma_decay_function=radius_decay,
    )  # fmt: skip
    units = grid.width * grid.height
    som._weights = X[:units].reshape(grid.width, grid.height, 5).astype(np.float64)
    return som


@pytest.mark.parametrize("topology", TOPOLOGIES)
@pytest.mark.parametrize("shape", [(6, 4), (5, 7), (2, 1)])
def test_errors_and_u_matrix_are_those_of_minisom(topology, shape):
    grid = Grid(*shape, topology)
    som, x, weights = reference(grid), jnp.asarray(X), jnp.asarray(X[: shape[0] * shape[1]])
    data = X.astype(np.float64)
    mean = quantization_error(x, weights).mean()
    np.testing.assert_allclose(mean, som.quantization_error(data), atol=1e-6)
    mean = topographic_error(grid, x, weights).mean()
    np.testing.assert_allclose(mean, som.topographic_error(data), atol=1e-6)
    # Its U-matrix, unlike its places, takes the even rows for those that are shifted.
    if topology == "rectangular" or shape[1] % 2:
        unified = unified_distances(grid, np.asarray(weights))
        theirs = som.distance_map(scaling="mean").ravel()
        np.testing.assert_allclose(unified / unified.max(), theirs, atol=1e-6)
    places = np.stack([axis.ravel() for axis in som.get_euclidean_coordinates()], axis=1)
    np.testing.assert_allclose(grid.positions(), places, atol=1e-12)


@pytest.mark.parametrize(
    ("topology", "rule", "decay"),
    [
        ("rectangular", "online", "linear"),
        ("hexagonal", "online", "asymptotic"),
        ("hexagonal", "online", "inverse"),
        ("rectangular", "batch", "asymptotic"),
        ("hexagonal", "batch", "linear"),
    ],
)
def test_training_is_that_of_minisom(topology, rule, decay):
    """The same weights after two passes in order, in batches, the last of them padded."""
    grid, passes = Grid(6, 4, topology), 2
    som = reference(grid, decay)
    steps = passes * len(X) if rule == "online" else passes
    train = som.train_batch if rule == "online" else som.train_batch_offline
    train(X.astype(np.float64), steps)
    learner = self_organizing_map(
        grid, X, steps, rate=0.5, radius=2.0, rule=rule, rate_decay=decay,
        radius_decay="asymptotic" if decay == "asymptotic" else f"{decay}_to_one",
    )  # fmt: skip
    update, key = jax.jit(learner.update), jax.random.key(0)
    state = MapState(jnp.asarray(X[:24]), jnp.int32(0))
    size = 30 if rule == "online" else len(X)
    for _ in range(passes):
        for first in range(0, len(X), size):
            part = X[first : first + size]
            x = np.zeros((size, 5), np.float32)
            x[: len(part)] = part
            weight = jnp.asarray(np.arange(size) < len(part), jnp.float32)
            state, _ = update(state, {"x": jnp.asarray(x), "weight": weight}, key)
    assert int(state.done) == steps
    np.testing.assert_allclose(state.weights, som.get_weights().reshape(-1, 5), atol=1e-4)


def test_with_radius_0_the_batch_rule_is_k_means():
    learner = self_organizing_map(Grid(3, 2), X, 1, rate=1.0, radius=0.0, rule="batch")
    batch = {"x": jnp.asarray(X), "weight": jnp.ones(len(X))}
    start = MapState(jnp.asarray(X[:6]), jnp.int32(0))
    (found, _), _ = learner.update(start, batch, jax.random.key(0))
    winner = np.linalg.norm(X[:, None] - X[:6], axis=2).argmin(axis=1)
    means = np.stack([X[winner == unit].mean(axis=0) for unit in range(6)])
    np.testing.assert_allclose(found, means, atol=1e-5)


def test_neighbours_touch():
    assert Grid(3, 3).neighbours().sum(axis=1).tolist() == [3, 5, 3, 5, 8, 5, 3, 5, 3]
    hexagonal = Grid(5, 5, "hexagonal").neighbours()
    assert hexagonal.sum(axis=1).max() == 6
    np.testing.assert_array_equal(hexagonal, hexagonal.T)


def test_units_start_at_distinct_examples_by_the_key():
    learner = self_organizing_map(Grid(3, 3), X, 1)
    one = {"x": jnp.asarray(X[:1])}
    starts = [np.asarray(learner.init(jax.random.key(k), one).weights) for k in (0, 0, 1)]
    np.testing.assert_array_equal(starts[0], starts[1])
    assert (starts[0] != starts[2]).any()
    assert len(np.unique(starts[0], axis=0)) == 9
    assert all((row == X).all(axis=1).any() for row in starts[0])


def test_a_map_of_no_unit_is_refused_in_one_line():
    for shape in ((0, 5), (5, 0), (1, 1), (-2, -3)):
        with pytest.raises(UserError, match=f"a map of {shape[0]} × {shape[1]} units: expected"):
            self_organizing_map(Grid(*shape), X, 1)
    with pytest.raises(UserError, match="a map of 400 units .* got only 200"):
        self_organizing_map(Grid(20, 20), X, 1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rate_decay": "none"}, "rate_decay must be one of asymptotic, .*, got 'none'"),
        ({"grid": Grid(2, 2, "round")}, "topology must be one of rectangular, .*, got 'round'"),
        ({"steps": 0}, "at least 1 step, got 0"),
    ],
)
def test_a_training_that_is_none_is_refused_in_one_line(options, words):
    settings = {"grid": Grid(2, 2), "examples": np.eye(4, dtype=np.float32), "steps": 1}
    with pytest.raises(UserError, match=words):
        self_organizing_map(**settings | options)


def test_data_of_another_size_are_refused_in_one_line():
    learner = self_organizing_map(Grid(2, 2), np.eye(4, dtype=np.float32), 1)
    batch = {"x": jnp.ones((2, 3)), "weight": jnp.ones(2)}
    state = learner.init(jax.random.key(0), batch)
    for function in (learner.update, learner.evaluate):
        with pytest.raises(UserError, match="units have 4 weights, the data 3 values"):
            function(state, batch, jax.random.key(0))
