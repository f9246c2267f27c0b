"""Modules of the deep stacking network against ridge regression in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dlfun.algorithms.deep_stacking import deep_stacking
from dlfun.metrics import values

KEY, HIDDEN, CLASSES, L2 = jax.random.key(0), 12, 3, 0.5
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (60, 3, 2, 1)).astype(np.uint8)
LABELS = RNG.integers(0, CLASSES, 60).astype(np.int32)


def batch(rows):
    return {
        "image": jnp.asarray(IMAGES[rows]),
        "label": jnp.asarray(LABELS[rows]),
        "weight": jnp.ones(len(IMAGES[rows])),
    }


def fit(learner, state, size):
    for first in range(0, len(IMAGES), size):
        state, _ = learner.update(state, batch(slice(first, first + size)), KEY)
    return state


def ridge(module, v):
    """The module's hidden units and the closed form of its upper weights, in float64."""
    weights, bias, _ = (np.asarray(part, np.float64) for part in module)
    h = np.maximum(v @ weights + bias, 0)
    target = np.eye(CLASSES)[LABELS]
    return h, np.linalg.solve(h.T @ h + L2 * np.eye(HIDDEN), h.T @ target)


@pytest.fixture(scope="module")
def stack():
    """A first module that has been solved, and a second one on top."""
    one, two = (deep_stacking(number, HIDDEN, CLASSES, L2) for number in (1, 2))
    first = fit(one, one.init(KEY, batch(slice(4))), 60)
    fresh = two.init(KEY, batch(slice(4)))
    return two, fit(two, fresh._replace(modules=(*first.modules, fresh.modules[-1])), 60)


def test_each_module_is_ridge_regression_on_the_outputs_below(stack):
    learner, state = stack
    x = IMAGES.reshape(60, -1) / 255
    h, upper = ridge(state.modules[0], x)
    np.testing.assert_allclose(state.modules[0].outputs, upper, rtol=1e-3, atol=1e-4)
    h, upper = ridge(state.modules[1], np.concatenate([x, h @ upper], axis=1))
    np.testing.assert_allclose(state.modules[1].outputs, upper, rtol=1e-3, atol=1e-3)
    predicted = learner.predict(state, batch(slice(None)))
    np.testing.assert_allclose(predicted, h @ upper, atol=1e-3)


@pytest.mark.parametrize("size", [7, 20])
def test_the_solution_does_not_depend_on_the_batches(size):
    learner = deep_stacking(1, HIDDEN, CLASSES, L2)
    start = learner.init(KEY, batch(slice(4)))
    many, one = (fit(learner, start, rows).modules[0].outputs for rows in (size, 60))
    np.testing.assert_allclose(many, one, atol=1e-4)


def test_modules_differ_and_what_each_gains_is_measured(stack):
    learner, state = stack
    below, top = state.modules
    assert not np.allclose(below.weights, top.weights[: len(below.weights)])
    measured = values(learner.evaluate(state, batch(slice(None)), KEY))
    gain = measured["module_2_accuracy"] - measured["module_1_accuracy"]
    np.testing.assert_allclose(measured["gain_of_module_2"], gain, atol=1e-6)
    assert measured["accuracy"] == measured["module_2_accuracy"]
