"""Ridge equals its closed form, lasso meets its optimality conditions, line search descends."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dlfun.algorithms.linear_regression import polynomial, predict, proximal_gradient, ridge
from dlfun.data.generated import curve, linear
from dlfun.nn import losses
from dlfun.nn.models.mlp import MLP
from dlfun.transforms import repeat_update
from experiments.foundations.gradient_descent_sampling.line_search import line_search
from experiments.foundations.regularization_mnist.early_stopping import early_stopping

KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def batch():
    weights = np.array([2.0, -1.0, 0.0, 0.0, 0.5])
    train = linear(60, weights, 3.0, seed=0, noise=0.5).splits["train"]
    return {n: jnp.asarray(a) for n, a in train.items()} | {"weight": jnp.ones(60)}


def trained(learner, batch):
    return learner.update(learner.init(KEY, batch), batch, KEY)[0]


@pytest.mark.parametrize("l2", [0.0, 0.3])
def test_ridge_is_the_closed_form_with_the_bias_left_out(batch, l2):
    x, y = np.asarray(batch["x"], np.float64), np.asarray(batch["y"], np.float64)
    with_one = np.concatenate([x, np.ones((60, 1))], axis=1)
    penalty = np.diag([l2] * 5 + [0.0])
    expected = np.linalg.solve(with_one.T @ with_one / 60 + penalty, with_one.T @ y / 60)[:, 0]
    for learner in (ridge(l2), repeat_update(proximal_gradient(0.3, l2), 400)):
        found = trained(learner, batch)
        np.testing.assert_allclose(found.weights[:, 0], expected[:5], atol=2e-5)
        np.testing.assert_allclose(found.bias[0], expected[5], atol=2e-5)


def test_lasso_meets_the_conditions_of_its_minimum(batch):
    """The slope is −λ sign(w) where w ≠ 0, and within ±λ where w = 0."""
    found = trained(repeat_update(proximal_gradient(0.3, l1=0.2), 600), batch)
    error = predict(found, batch["x"]) - batch["y"]
    slope = np.asarray(batch["x"].T @ error / 60)[:, 0]
    weights = np.asarray(found.weights)[:, 0]
    assert (weights == 0).sum() >= 1
    np.testing.assert_allclose(
        slope[weights != 0], -0.2 * np.sign(weights[weights != 0]), atol=1e-4
    )
    assert (np.abs(slope[weights == 0]) <= 0.2 + 1e-5).all()


def test_polynomials_are_orthogonal_and_exact():
    x = jnp.linspace(-1, 1, 4001)[:, None]
    gram = np.asarray(polynomial(6)(x).T @ polynomial(6)(x)) / 2000
    np.testing.assert_allclose(gram, np.diag(2 / (2 * np.arange(1, 7) + 1)), atol=2e-3)
    points = curve(lambda x: 2 * x**3 - x + 1, 30, seed=0).splits["train"]
    batch = {n: jnp.asarray(a) for n, a in points.items()} | {"weight": jnp.ones(30)}
    learner = ridge(features=polynomial(3))
    found = learner.evaluate(trained(learner, batch), batch, KEY)["loss"]
    assert float(found.total) < 1e-9


def test_line_search_never_goes_up_and_meets_armijo(batch):
    model = MLP((8,), 1, "tanh")
    learner = line_search(model, losses.mse, first=4.0, columns=("x", "y"))
    state, heights = learner.init(KEY, batch), []
    for _ in range(8):
        before = state
        state, measured = learner.update(state, batch, KEY)
        heights.append(float(measured["loss"].total))
        moved = jax.tree.map(jnp.subtract, before.params, state.params)
        squared = sum(float(jnp.square(m).sum()) for m in jax.tree.leaves(moved))
        after = float(learner.evaluate(state, batch, KEY)["loss"].total)
        assert after / 60 <= heights[-1] / 60 - 1e-4 * squared / float(state.step) + 1e-6
        assert np.log2(4.0 / float(state.step)) % 1 == 0
    assert (np.diff(heights) < 0).all()


def test_early_stopping_keeps_the_best_state(batch):
    """Of a descent that blows up, the best is early; evaluation and the best state agree."""
    learner = early_stopping(proximal_gradient(1.5), {n: batch[n] for n in ("x", "y")}, interval=1)
    state, seen = learner.init(KEY, batch), []
    for _ in range(6):
        state, _ = learner.update(state, batch, KEY)
        seen.append(
            float(proximal_gradient(1.5).evaluate(state.current, batch, KEY)["loss"].total) / 60
        )
    np.testing.assert_allclose(state.best_loss, min(seen), rtol=1e-6)
    assert int(state.best_step) == int(np.argmin(seen)) + 1
    found = learner.evaluate(state, batch, KEY)["loss"]
    np.testing.assert_allclose(found.total / found.count, min(seen), rtol=1e-6)
    np.testing.assert_array_equal(learner.predict(state, batch), predict(state.best, batch["x"]))


@pytest.mark.parametrize("l2", [0.0, 0.3])
def test_padding_counts_for_nothing_in_the_closed_form(batch, l2):
    """Also where there are more weights than examples."""
    learner = ridge(l2, polynomial(9))
    few = {"x": jnp.linspace(-1, 1, 6)[:, None], "y": batch["y"][:6], "weight": jnp.ones(6)}
    padded = {n: jnp.concatenate([a, jnp.zeros((3, *a.shape[1:]))]) for n, a in few.items()}
    for a, b in zip(trained(learner, padded), trained(learner, few), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)
