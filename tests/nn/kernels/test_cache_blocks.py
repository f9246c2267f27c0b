from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dlfun.nn.kernels.cache_blocks import in_cache_blocks
from dlfun.nn.layers.conv import Conv
from dlfun.nn.layers.pooling import Pool
from tests.works import output_and_gradients


class Block(nn.Module):
    features: int
    apart: bool = False

    @nn.compact
    def __call__(self, x):
        layers = [Conv(self.features, name="conv"), Pool(name="pool")]
        if self.apart:
            return layers[1](layers[0](x))
        return in_cache_blocks(layers, x)


def _program(f, *arguments):
    return jax.jit(f).trace(*arguments).lower(lowering_platforms=("cpu",)).as_text()


@pytest.fixture
def images():
    return jnp.asarray(np.random.default_rng(0).standard_normal((12, 28, 28, 1)), jnp.float32)


def test_in_parts_equals_layer_after_layer(images):
    block, plain = Block(32), Block(32, apart=True)
    params = plain.init(jax.random.key(0), images)
    together_, apart = (jax.jit(partial(output_and_gradients, b.apply)) for b in (block, plain))
    found, expected = together_(params, images), apart(params, images)
    assert "while" in _program(block.apply, params, images)  # Or it is no test of parts.
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5 * np.abs(b).max())
    assert jax.tree.all(jax.tree.map(np.array_equal, block.init(jax.random.key(0), images), params))


def test_a_population_in_parts_equals_one_after_another(images):
    block = Block(32)
    keys = jax.random.split(jax.random.key(1), 2)
    population = jax.vmap(block.init, (0, None))(keys, images)
    at_once = jax.jit(jax.vmap(block.apply, (0, None)))(population, images)
    for i, y in enumerate(at_once):
        one = jax.jit(block.apply)(jax.tree.map(lambda leaf, i=i: leaf[i], population), images)
        np.testing.assert_allclose(y, one, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("features", "batch"),
    [(4, 12), (32, 11), (32, 1), (32, 0)],
    ids=["little between", "no part of the batch", "one image", "no image"],
)
def test_is_layer_after_layer_where_parts_gain_nothing(images, features, batch):
    block, x = Block(features), images[:batch]
    params = block.init(jax.random.key(0), x)
    assert "while" not in _program(block.apply, params, x)
    plain = partial(Block(features, apart=True).apply, params)
    assert np.array_equal(jax.jit(partial(block.apply, params))(x), jax.jit(plain)(x))
