"""The MLP's options: dropout of a traced rate while training alone, and initial schemes."""

import jax
import jax.numpy as jnp
import numpy as np

from dlfun.nn.models.mlp import MLP

X = jnp.asarray(np.random.default_rng(0).normal(size=(6, 4, 3)), jnp.float32)
KEY = jax.random.key(0)


def test_dropout_draws_while_training_alone():
    model = MLP((8,), 3, dropout=0.5)
    variables = model.init(KEY, X)
    draws = [
        model.apply(variables, X, jnp.ones(6), rngs={"dropout": jax.random.key(seed)})
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert (draws[0] != draws[2]).any()
    np.testing.assert_array_equal(model.apply(variables, X), MLP((8,), 3).apply(variables, X))


def test_the_rate_may_be_traced_and_0_is_none():
    variables = MLP((8,), 3).init(KEY, X)

    @jax.jit
    @jax.vmap
    def logits(rate):
        return MLP((8,), 3, dropout=rate).apply(variables, X, jnp.ones(6), rngs={"dropout": KEY})

    none, half = logits(jnp.array([0.0, 0.5]))
    np.testing.assert_allclose(none, MLP((8,), 3).apply(variables, X), atol=1e-6)
    assert (none != half).any()


def test_a_scheme_starts_kernels_as_it_says_and_biases_at_0():
    params = MLP((8, 5), 3, scheme="constant").init(KEY, X)["params"]
    for layer in params.values():
        assert (layer["kernel"] == jnp.float32(0.01)).all()
        assert not layer["bias"].any()
