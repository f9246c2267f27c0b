"""The deep MLP: the scan over layers equals the layers in a row; the identity keeps gradients."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dlfun.nn.models.deep_mlp import DeepMLP

X = jnp.asarray(np.random.default_rng(0).normal(size=(8, 3, 4)), jnp.float32)
KEY = jax.random.key(0)


@pytest.mark.parametrize("residual", [False, True])
def test_the_scan_equals_layers_in_a_row(residual):
    model = DeepMLP(3, 5, 2, residual=residual)
    variables = model.init(KEY, X)
    (layers,) = (p for p in variables["params"].values() if "kernel" not in p)
    first, last = variables["params"]["Dense_0"], variables["params"]["Dense_1"]
    h = X.reshape(8, 12) @ first["kernel"] + first["bias"]
    for i in range(3):
        kernel, bias = layers["Dense_0"]["kernel"][i], layers["Dense_0"]["bias"][i]
        f = nn.relu(h) @ kernel + bias
        h = h + f if residual else f
    expected = nn.relu(h) @ last["kernel"] + last["bias"]
    np.testing.assert_allclose(model.apply(variables, X), expected, rtol=1e-5, atol=1e-6)


def test_layers_start_unlike_each_other():
    (layers,) = (p for p in DeepMLP(3, 5).init(KEY, X)["params"].values() if "kernel" not in p)
    kernels = layers["Dense_0"]["kernel"]
    assert kernels.shape == (3, 5, 5)
    assert (kernels[0] != kernels[1]).all()


@pytest.mark.parametrize("running", ["moving", "sums"])
def test_each_layer_keeps_statistics_of_its_own(running):
    model = DeepMLP(2, 5, batch_norm=running)
    variables = model.init(KEY, X)
    _, new = model.apply(variables, X, jnp.ones(8), mutable=["batch_stats"])
    means = [a for a in jax.tree.leaves(new) if a.shape == (2, 5)]
    assert all((a[0] != a[1]).any() for a in means)
    assert len(means) == 2  # Of mean and of variance, or of squares.


def test_a_gradient_reaches_the_first_of_thirty_residual_layers_only():
    def share(residual):
        model = DeepMLP(30, 8, residual=residual)
        variables = model.init(KEY, X)
        gradient = jax.jit(jax.grad(lambda p: model.apply({"params": p}, X)[:, 0].sum()))(
            variables["params"]
        )
        first, last = (jnp.linalg.norm(gradient[name]["kernel"]) for name in ("Dense_0", "Dense_1"))
        return float(first / jnp.maximum(last, 1e-30))

    assert share(residual=True) > 0.1
    assert share(residual=False) < 1e-6
