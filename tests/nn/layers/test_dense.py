"""The dense layer and its initial distribution."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.test_util import check_grads

from dlfun.nn.initializers import fan_in_uniform, uniform
from dlfun.nn.models.mlp import MLP


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
