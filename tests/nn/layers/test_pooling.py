import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.test_util import check_grads

from dlfun.nn.layers.pooling import (
    Pool,
    avg_pool,
    global_avg_pool,
    global_max_pool,
    k_max_pool,
    l2_pool,
    max_pool,
    spatial_pyramid,
)

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
@pytest.mark.parametrize("pool", [max_pool, avg_pool, l2_pool])
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


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("padding", [0, 1])
def test_pooling_equals_torch_over_every_number_of_axes(axes, padding):
    torch = pytest.importorskip("torch")
    theirs = torch.nn.functional
    x = np.random.default_rng(0).standard_normal((2, *(7, 6, 5)[:axes], 3)).astype(np.float32)
    tx = torch.tensor(np.moveaxis(x, -1, 1).copy())
    for ours, name in ((max_pool, "max"), (avg_pool, "avg")):
        expected = getattr(theirs, f"{name}_pool{axes}d")(tx, 3, 2, padding)
        y = ours(jnp.asarray(x), 3, 2, padding)
        np.testing.assert_allclose(y, np.moveaxis(expected.numpy(), 1, -1), rtol=1e-5, atol=1e-6)
    if not padding:
        expected = getattr(theirs, f"lp_pool{axes}d")(tx, 2, 3, 2)
        y = l2_pool(jnp.asarray(x), 3, 2)
        np.testing.assert_allclose(y, np.moveaxis(expected.numpy(), 1, -1), rtol=1e-5, atol=1e-6)


def test_l2_pooling_of_nothing_has_no_gradient():
    gradient = jax.grad(lambda x: l2_pool(x).sum())(jnp.zeros((1, 2, 2, 1)))
    assert not gradient.any()


def test_k_max_keeps_the_order():
    x = jnp.array([[3.0, 1, 4, 1, 5], [2, 7, 1, 8, 2]]).T[None]
    assert k_max_pool(x, 3)[0].T.tolist() == [[3, 4, 5], [2, 7, 8]]
    gradient = jax.grad(lambda x: k_max_pool(x, 2).sum())(x)
    assert gradient[0].T.tolist() == [[0, 0, 1, 0, 1], [0, 1, 0, 1, 0]]
    with pytest.raises(ValueError, match="3-max pooling of a sequence of 2"):
        k_max_pool(x[:, :2], 3)


def test_global_pooling_is_over_all_positions():
    x = _image(4, 5)
    np.testing.assert_array_equal(global_max_pool(x), max_pool(x, (4, 5))[:, 0, 0])
    np.testing.assert_allclose(global_avg_pool(x), avg_pool(x, (4, 5))[:, 0, 0], rtol=1e-5)


@pytest.mark.parametrize(("h", "w"), [(8, 8), (5, 7), (4, 4)])
def test_a_spatial_pyramid_is_the_adaptive_pooling_of_each_level(h, w):
    x = _image(h, w)
    y = spatial_pyramid(x)
    assert y.shape == (2, (1 + 4 + 16) * 3)
    np.testing.assert_array_equal(y[:, :3], global_max_pool(x))
    torch = pytest.importorskip("torch")
    tx = torch.tensor(np.moveaxis(np.asarray(x), -1, 1).copy())
    levels = [torch.nn.functional.adaptive_max_pool2d(tx, n).numpy() for n in (1, 2, 4)]
    expected = [np.moveaxis(level, 1, -1).reshape(2, -1) for level in levels]
    np.testing.assert_array_equal(y, np.concatenate(expected, axis=1))
    with pytest.raises(ValueError, match="3x9 image is too small .* at least 4x4"):
        spatial_pyramid(_image(3, 9))


def test_an_image_smaller_than_the_window_is_refused():
    with pytest.raises(ValueError, match="1x4 image leaves no output under a 2x2 window"):
        max_pool(_image(1, 4))
    with pytest.raises(ValueError, match="^Pool: a 1x4 image .* at least 2x2"):
        Pool().apply({}, _image(1, 4))
