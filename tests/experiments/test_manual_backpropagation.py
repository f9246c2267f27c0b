"""The chain rule written out is the gradient, to the last digits of a double."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.foundations.backpropagation.manual import (
    Network,
    disagreement,
    forward,
    gradient,
    loss,
    manual_backpropagation,
    start,
)

KEY = jax.random.key(0)


@pytest.fixture
def doubles():
    with jax.enable_x64(True):
        rng = np.random.default_rng(0)
        shapes = ((4, 2), (2,), (2, 3), (3,))
        network = Network(*(jnp.asarray(rng.normal(size=shape)) for shape in shapes))
        x, y = jnp.asarray(rng.normal(size=(7, 4))), jnp.asarray(np.eye(3)[rng.integers(0, 3, 7)])
        yield network, x, y, jnp.full(7, 1 / 7)


@pytest.mark.parametrize("l2", [0.0, 0.3])
def test_every_partial_derivative_equals_autodiff(doubles, l2):
    written = gradient(*doubles, l2)
    automatic = jax.grad(loss)(*doubles, l2)
    for name in Network._fields:
        assert getattr(written, name).dtype == jnp.float64
        np.testing.assert_allclose(
            getattr(written, name), getattr(automatic, name), rtol=1e-12, atol=1e-14, err_msg=name
        )


def test_one_weight_against_a_finite_difference(doubles):
    network, x, y, weight = doubles
    step = 1e-6
    moved = [network._replace(w1=network.w1.at[1, 0].add(sign * step)) for sign in (1, -1)]
    above, below = (loss(each, x, y, weight) for each in moved)
    found = gradient(network, x, y, weight).w1[1, 0]
    np.testing.assert_allclose((above - below) / (2 * step), found, rtol=1e-7)


def test_the_penalty_adds_lambda_w_to_weights_alone(doubles):
    plain, penalized = gradient(*doubles), gradient(*doubles, 0.3)
    network = doubles[0]
    np.testing.assert_allclose(penalized.w1, plain.w1 + 0.3 * network.w1, rtol=1e-12)
    np.testing.assert_allclose(penalized.w2, plain.w2 + 0.3 * network.w2, rtol=1e-12)
    np.testing.assert_array_equal(penalized.b1, plain.b1)
    np.testing.assert_array_equal(penalized.b2, plain.b2)


def test_the_loss_is_the_mean_over_examples_and_outputs(doubles):
    network, x, y, weight = doubles
    expected = np.mean(np.square(forward(network, x).output - y))
    np.testing.assert_allclose(loss(network, x, y, weight), expected, rtol=1e-12)


def test_disagreement_is_rounding_alone():
    rng = np.random.default_rng(0)
    split = {
        "x": rng.normal(size=(50, 4)).astype(np.float32),
        "y": np.eye(3, dtype=np.float32)[rng.integers(0, 3, 50)],
    }
    network = start(KEY, 4, 2, 3)
    assert disagreement(network, split, 0.3) < 1e-5


def test_padding_counts_for_nothing():
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=(6, 2)), jnp.float32)
    full = {"x": x, "y": jax.nn.one_hot(jnp.arange(6) % 3, 3)}
    learner = manual_backpropagation(0.5, l2=0.1)
    state = learner.init(KEY, full)
    padded = learner.update(state, full | {"weight": jnp.asarray([1.0] * 4 + [0.0] * 2)}, KEY)
    short = {n: a[:4] for n, a in full.items()} | {"weight": jnp.ones(4)}
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7),
        padded,
        learner.update(state, short, KEY),
    )


def test_equal_weights_never_part():
    network = start(KEY, 2, 1, 3)
    twins = Network(
        jnp.tile(network.w1, 2), jnp.tile(network.b1, 2), jnp.tile(network.w2, (2, 1)), network.b2
    )
    x, y = jnp.ones((1, 2)), jnp.asarray([[1.0, 0.0, 0.0]])
    found = gradient(twins, x, y, jnp.ones(1))
    np.testing.assert_allclose(found.w1[:, 0], found.w1[:, 1], rtol=1e-5)
