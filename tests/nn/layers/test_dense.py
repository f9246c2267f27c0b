"""The dense layer and its initial distribution."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.test_util import check_grads

from dlfun.nn.initializers import fan_in_uniform, uniform
from dlfun.nn.layers.dense import attend, dot_general
from dlfun.nn.models.mlp import MLP
from tests.works import assert_equal, output_and_gradients

TOLERANCE = {"rtol": 2e-5, "atol": 2e-5}


def test_gradients_against_finite_differences():
    """Through two dense layers and a smooth activation, for inputs and every parameter."""
    model = MLP((5,), 3, "tanh")
    x = jax.random.normal(jax.random.key(0), (4, 6))
    params = model.init(jax.random.key(1), x)["params"]
    with jax.enable_x64(True):
        x, params = jax.tree.map(lambda a: a.astype(jnp.float64), (x, params))

        def apply(params, x):
            return model.apply({"params": params}, jnp.asarray(x))

        check_grads(apply, (params, x), order=1, modes=["rev"])


def test_initial_distribution_is_uniform_within_the_bound():
    for draw in (fan_in_uniform, uniform(1 / 20)):
        found = np.asarray(draw(jax.random.key(0), (400, 300), jnp.float32)) * 20
        assert 0.99 < np.abs(found).max() <= 1
        assert abs(found.mean()) < 0.01
        assert abs(found.var() - 1 / 3) < 0.01


def test_the_fast_product_is_that_of_dense_layers():
    """Outputs, gradients and second derivatives, also where kernel or rows are mapped."""
    x = jax.random.normal(jax.random.key(0), (3, 5, 2, 4))
    layers = [nn.DenseGeneral((3, 2), axis=(-2, -1), dot_general=f) for f in (None, dot_general)]
    params = layers[0].init(jax.random.key(1), x)
    flax, fast = (layer.apply for layer in layers)
    stacked = jax.tree.map(lambda leaf: jnp.stack([leaf, 2 * leaf]), params)
    for compute in (
        lambda apply: output_and_gradients(apply, params, x),
        lambda apply: output_and_gradients(jax.vmap(apply, (None, 0)), params, x),
        lambda apply: output_and_gradients(jax.vmap(apply, (0, None)), stacked, x),
        lambda apply: jax.hessian(lambda x: (apply(params, x) ** 3).sum())(x),
    ):
        assert_equal(compute(fast), compute(flax), **TOLERANCE)


def test_the_fast_product_with_all_words_is_that_of_embeddings():
    x = jax.random.normal(jax.random.key(0), (3, 5, 4))
    embed = nn.Embed(7, 4)
    params = embed.init(jax.random.key(1), jnp.zeros(1, int))

    def fast(params, x):
        return attend(embed.bind(params), x)

    flax = partial(embed.apply, method="attend")
    assert_equal(*(output_and_gradients(f, params, x) for f in (fast, flax)), **TOLERANCE)
