"""Autoencoders against products written out, and their shapes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dlfun.nn.models.autoencoder import Autoencoder, ConvAutoencoder

KEY = jax.random.key(0)
X = jax.random.uniform(jax.random.key(1), (3, 6))


def relu(x):
    return np.maximum(x, 0)


@pytest.mark.parametrize("tied", [False, True])
def test_layers_equal_products(tied):
    model = Autoencoder((6, 5, 2), tied=tied)
    shapes = jax.eval_shape(model.init, KEY, X)["params"]
    leaves, structure = jax.tree.flatten(shapes)
    keys = jax.random.split(KEY, len(leaves))
    # Biases other than 0, which they start from.
    params = jax.tree.unflatten(
        structure, [jax.random.normal(k, leaf.shape) for k, leaf in zip(keys, leaves, strict=True)]
    )
    p = jax.tree.map(np.asarray, params)
    up = [p["encoder_0"]["kernel"], p["encoder_1"]["kernel"]]
    if tied:
        down, biases = [up[1].T, up[0].T], [p["decoder_0_bias"], p["decoder_1_bias"]]
    else:
        down = [p["decoder_0"]["kernel"], p["decoder_1"]["kernel"]]
        biases = [p["decoder_0"]["bias"], p["decoder_1"]["bias"]]
    code = relu(X @ up[0] + p["encoder_0"]["bias"]) @ up[1] + p["encoder_1"]["bias"]
    expected = relu(code @ down[0] + biases[0]) @ down[1] + biases[1]
    variables = {"params": params}
    np.testing.assert_allclose(model.apply(variables, X, method="encode"), code, rtol=1e-4)
    np.testing.assert_allclose(model.apply(variables, X), expected, rtol=1e-4, atol=1e-5)


def test_tied_weights_halve_the_kernels():
    def count(tied):
        variables = jax.eval_shape(Autoencoder((6, 5, 2), tied=tied).init, KEY, X)
        return sum(leaf.size for leaf in jax.tree.leaves(variables) if leaf.ndim == 2)

    assert 2 * count(True) == count(False) == 2 * (6 * 5 + 5 * 2)


@pytest.mark.parametrize("shape", [(8, 8, 1), (7, 5, 2)])
def test_convolutions_come_back_to_the_size(shape, xla_convolutions):
    model = ConvAutoencoder(shape, (4, 8), code=4)
    x = jax.random.uniform(KEY, (20, int(np.prod(shape))))
    variables = model.init(KEY, x)
    code = model.apply(variables, x, method="encode")
    assert code.shape == (20, 4)
    y = model.apply(variables, x)
    assert y.shape == x.shape
    # Each pixel depends on the code, those at the edges too.
    apart = model.apply(variables, jax.random.normal(KEY, (20, 4)), method="decode") - y
    assert (jnp.abs(apart).max(axis=0) > 0).all()
