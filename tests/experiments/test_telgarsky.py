"""The built network is the sawtooth; noise moves it, and by the key."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from dlfun import metrics
from dlfun.algorithms.supervised import supervised
from dlfun.nn import losses
from dlfun.nn.models.mlp import MLP
from experiments.foundations.depth_separation.telgarsky import (
    graph,
    sawtooth,
    telgarsky_params,
    with_initial_params,
)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_tents_compute_the_sawtooth(n):
    x = np.linspace(0, 1, 1001, dtype=np.float32)[:, None]
    found = MLP((2,) * n, 1).apply({"params": telgarsky_params(n)}, jnp.asarray(x))
    np.testing.assert_allclose(found, sawtooth(x, n), atol=1e-4)


def test_a_sawtooth_has_its_teeth():
    y = sawtooth(np.arange(33) / 32, 5)
    np.testing.assert_array_equal(y, np.arange(33) % 2)


def test_the_graph_is_of_the_seed():
    one, two, other = (graph(3, 50, seed).splits["train"]["x"] for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, two)
    assert (one != other).any()
    assert ((one >= 0) & (one < 1)).all()


def test_a_learner_starts_near_what_it_is_given():
    plain = supervised(
        MLP((2, 2), 1),
        losses.mse,
        optax.sgd(0.1),
        eval_metrics=metrics.no_metrics,
        train_metrics=metrics.no_metrics,
        columns=("x", "y"),
    )
    batch = {name: jnp.zeros((1, 1)) for name in ("x", "y")} | {"weight": jnp.ones(1)}
    starts = [
        with_initial_params(plain, telgarsky_params(2), noise)
        .init(jax.random.key(seed), batch)
        .params
        for noise, seed in ((0.0, 0), (0.1, 0), (0.1, 1))
    ]
    flat = [np.concatenate([leaf.ravel() for leaf in jax.tree.leaves(s)]) for s in starts]
    expected = np.concatenate([leaf.ravel() for leaf in jax.tree.leaves(telgarsky_params(2))])
    np.testing.assert_array_equal(flat[0], expected)
    assert 0 < np.abs(flat[1] - expected).max() < 0.5
    assert (flat[1] != flat[2]).all()
