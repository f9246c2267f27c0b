import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.test_util import check_grads

from dlfun.layers.pooling import avg_pool, max_pool

SHAPES = [(8, 8, 2, 2), (7, 9, 2, 2), (9, 9, 3, 3), (9, 8, 3, 2), (6, 6, 2, 1), (5, 5, 1, 2)]


def _image(h, w):
    draw = np.random.default_rng(0).standard_normal
    return jnp.asarray(draw((2, h, w, 3)), jnp.float32)


@pytest.mark.parametrize(("h", "w", "window", "strides"), SHAPES)
def test_pooling_equals_reduce_window(h, w, window, strides):
    x = _image(h, w)
    dims = (1, window, window, 1), (1, strides, strides, 1), "VALID"

    @jax.jit
    def pools(x):
        maxima = lax.reduce_window(x, -jnp.inf, lax.max, *dims)
        means = lax.reduce_window(x, 0.0, lax.add, *dims) / window**2
        return (max_pool(x, window, strides), avg_pool(x, window, strides)), (maxima, means)

    (ours_max, ours_mean), (maxima, means) = pools(x)
    assert np.array_equal(ours_max, maxima)
    assert np.allclose(ours_mean, means, atol=1e-6)


@pytest.mark.parametrize(("window", "strides"), [(2, None), (3, 2)])
@pytest.mark.parametrize("pool", [max_pool, avg_pool])
def test_gradients_equal_finite_differences(pool, window, strides):
    with jax.enable_x64(True):
        x = jnp.asarray(np.random.default_rng(0).standard_normal((1, 5, 6, 2)))
        f = jax.jit(lambda x: pool(x, window, strides))
        check_grads(f, (x,), order=1, modes=["fwd", "rev"], eps=1e-6, atol=1e-7, rtol=1e-7)


def test_the_first_of_equal_maxima_takes_the_gradient():
    x = jnp.array([[0.0, 1.0, 5.0, 5.0], [1.0, 1.0, 5.0, 5.0]])[None, :, :, None]
    gradient = jax.grad(lambda x: jnp.sum(max_pool(x)))(x)[0, :, :, 0]
    assert jnp.array_equal(gradient, jnp.array([[0.0, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0]]))


@pytest.mark.parametrize("position", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_a_nan_is_not_hidden_by_the_maximum(position):
    x = jnp.zeros((1, 2, 2, 1)).at[0, position[0], position[1], 0].set(jnp.nan)
    assert jnp.isnan(max_pool(x)).all()


def test_a_worked_example():
    x = jnp.arange(9.0).reshape(1, 3, 3, 1)
    assert max_pool(x, 2, 1).ravel().tolist() == [4, 5, 7, 8]
    assert avg_pool(x, 2, 1).ravel().tolist() == [2, 3, 5, 6]


def test_an_image_smaller_than_the_window_is_refused():
    with pytest.raises(ValueError, match="1x4 image leaves no output under a 2x2 window"):
        max_pool(_image(1, 4))
