from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from dlfun.layers.fence import fenced

X = jnp.linspace(-2, 3, 12).reshape(3, 4)


def differences(x, *, by):
    return x[:, by:] - x[:, :-by], x[:, by:] * x[:, :-by]


def test_it_is_the_function_and_so_are_its_derivatives():
    fence = fenced(partial(differences, by=1))
    np.testing.assert_array_equal(fence(X)[1], differences(X, by=1)[1])

    def total(function, x):
        return function(jnp.sin(x))[1].sum()

    bare = partial(differences, by=1)
    np.testing.assert_allclose(
        *(jax.jit(jax.grad(partial(total, f)))(X) for f in (fence, bare)), rtol=1e-6
    )
    np.testing.assert_array_equal(
        jax.vmap(fenced(differences, by=2))(X[None])[0][0], X[:, 2:] - X[:, :-2]
    )


def test_what_comes_before_is_computed_once():
    """Without the fence, in each consumer again."""

    def maxima(function):
        compiled = jax.jit(lambda x: function(jnp.maximum(x * 2, 0))).lower(X).compile()
        return compiled.as_text().count(" maximum(")

    assert maxima(partial(differences, by=1)) > 1
    assert maxima(fenced(differences, by=1)) == 1
