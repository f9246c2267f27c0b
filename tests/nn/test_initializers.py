"""Each scheme has the variance, the bounds or the lengths that define it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dlfun.nn.initializers import SCHEMES

F_IN, F_OUT = 300, 700


def draw(scheme, shape=(F_IN, F_OUT)):
    return np.asarray(SCHEMES[scheme](jax.random.key(0), shape, jnp.float32))


@pytest.mark.parametrize(
    ("scheme", "variance"),
    [("uniform", 1 / (3 * F_IN)), ("glorot", 2 / (F_IN + F_OUT)), ("he", 2 / F_IN)],
)
def test_mean_and_variance(scheme, variance):
    kernel = draw(scheme)
    assert kernel.var() == pytest.approx(variance, rel=0.02)
    assert abs(kernel.mean()) < 4 * (variance / kernel.size) ** 0.5


@pytest.mark.parametrize(
    ("scheme", "bound"), [("uniform", F_IN**-0.5), ("glorot", (6 / (F_IN + F_OUT)) ** 0.5)]
)
def test_bounds_of_uniform_draws(scheme, bound):
    kernel = draw(scheme)
    assert 0.999 * bound < np.abs(kernel).max() <= bound


def test_orthogonal_keeps_lengths():
    kernel = draw("orthogonal", (64, 64))
    np.testing.assert_allclose(kernel.T @ kernel, np.eye(64), atol=1e-5)


def test_orthogonal_matrices_of_a_population_are_those_drawn_alone():
    """Each by a call of LAPACK's of its own: calls for several at once may not return."""
    keys = jax.random.split(jax.random.key(1), 3)
    init = jax.jit(jax.vmap(lambda key: SCHEMES["orthogonal"](key, (8, 8), jnp.float32)))
    alone = [SCHEMES["orthogonal"](key, (8, 8), jnp.float32) for key in keys]
    np.testing.assert_array_equal(init(keys), np.stack(alone))
    calls = [line for line in init.lower(keys).as_text().splitlines() if "geqrf" in line]
    assert calls
    assert all("tensor<8x8xf32>" in line and "tensor<3x8x8xf32>" not in line for line in calls)


def test_zeros_and_constants_have_no_variance():
    assert not draw("zeros").any()
    assert (draw("constant") == np.float32(0.01)).all()
