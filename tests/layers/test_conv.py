from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.test_util import check_grads

from dlfun.layers import lowerings
from dlfun.layers.conv import Conv, _pads, conv

# The formulas are what these tests are about: LLVM's optimizer would take most of their time.
fast_jit = partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})

SHAPES = [  # height, width, in, out, window, strides, padding
    (8, 8, 8, 6, (3, 3), (1, 1), "SAME"),
    (7, 10, 9, 4, (3, 3), (1, 1), "SAME"),
    (9, 6, 8, 8, (3, 3), (1, 1), "VALID"),
    (5, 5, 8, 3, (3, 3), (1, 1), 2),
    (6, 7, 1, 5, (3, 3), (1, 1), "SAME"),
    (3, 3, 2, 4, (3, 3), (1, 1), "VALID"),
    (9, 8, 3, 4, (3, 3), (2, 2), "SAME"),
    (9, 11, 4, 4, (5, 4), (1, 2), "SAME"),
    (12, 12, 1, 6, (5, 5), (1, 1), "VALID"),
    (7, 7, 8, 4, (1, 1), (2, 2), 0),
    (11, 11, 2, 4, (4, 4), (3, 3), 1),
]


def _arrays(h, w, cin, cout, window, batch=3, dtype=jnp.float32):
    draw = np.random.default_rng(0).standard_normal
    shapes = (batch, h, w, cin), (*window, cin, cout), (cout,)
    return tuple(jnp.asarray(draw(shape), dtype) for shape in shapes)


def _reference(x, kernel, bias, strides, padding):
    pads = padding if isinstance(padding, str) else [(padding, padding)] * 2
    return bias + lax.conv_general_dilated(
        x, kernel, strides, pads, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def _output_and_gradients(f, *args):
    def run(*args):
        y, back = jax.vjp(f, *args)
        return y, back(jnp.cos(jnp.arange(y.size, dtype=y.dtype)).reshape(y.shape))

    return fast_jit(run)(*args)


def _assert_close(a, b, tolerance=2e-5):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        assert x.shape == y.shape
        assert np.max(np.abs(np.asarray(x) - y)) <= tolerance * np.max(np.abs(y))


@pytest.mark.parametrize(("h", "w", "cin", "cout", "window", "strides", "padding"), SHAPES)
def test_every_lowering_equals_the_native_convolution_in_output_and_gradients(
    h, w, cin, cout, window, strides, padding
):
    args = _arrays(h, w, cin, cout, window)
    expected = _output_and_gradients(lambda *a: _reference(*a, strides, padding), *args)
    pads = _pads((h, w), window, strides, padding)
    names = ["native", "slices"]
    if window == (3, 3) and strides == (1, 1):
        names += ["winograd", "tiled"]
    for name in names:
        f = partial(getattr(lowerings, name), strides=strides, pads=pads)
        _assert_close(_output_and_gradients(f, *args), expected)
    chosen = fast_jit(partial(conv, strides=strides, padding=padding))
    _assert_close(chosen(*args), expected[0])


@pytest.mark.parametrize("name", ["slices", "winograd", "tiled"])
def test_gradients_equal_finite_differences(name):
    with jax.enable_x64(True):
        args = _arrays(5, 4, 2, 3, (3, 3), batch=2, dtype=jnp.float64)
        lowering = getattr(lowerings, name)
        f = jax.jit(partial(lowering, strides=(1, 1), pads=[(1, 1), (1, 1)]))
        check_grads(f, args, order=1, modes=["fwd", "rev"], atol=1e-7, rtol=1e-7)


@pytest.mark.parametrize("cin", [1, 8])
def test_a_population_of_kernels_equals_one_after_another(cin):
    x, _, _ = _arrays(6, 6, cin, 4, (3, 3))
    draw = np.random.default_rng(1).standard_normal
    kernels, biases = (draw(s).astype(np.float32) for s in [(3, 3, 3, cin, 4), (3, 4)])
    f = jax.grad(lambda k, b: jnp.sum(conv(x, k, b) ** 2), argnums=(0, 1))
    compiled = fast_jit(f)
    one = [compiled(jnp.asarray(k), jnp.asarray(b)) for k, b in zip(kernels, biases, strict=True)]
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *one)
    _assert_close(fast_jit(jax.vmap(f))(jnp.asarray(kernels), jnp.asarray(biases)), stacked)


def test_module_is_conv_with_its_parameters():
    x, _, _ = _arrays(7, 7, 3, 4, (5, 5))
    layer = Conv(4, kernel_size=(5, 5), strides=2, padding=2)
    params = fast_jit(layer.init)(jax.random.key(0), x)["params"]
    assert {k: v.shape for k, v in params.items()} == {"kernel": (5, 5, 3, 4), "bias": (4,)}
    expected = fast_jit(partial(conv, strides=2, padding=2))(x, params["kernel"], params["bias"])
    assert np.array_equal(fast_jit(layer.apply)({"params": params}, x), expected)
    plain = jax.eval_shape(Conv(4, use_bias=False).init, jax.random.key(0), x)
    assert list(plain["params"]) == ["kernel"]


@pytest.mark.parametrize(
    ("shape", "kernel", "padding", "message"),
    [
        ((1, 4, 4, 2), (3, 3, 3, 8), "SAME", "input has 2 channels, the kernel takes 3"),
        ((1, 2, 4, 1), (3, 3, 1, 8), "VALID", "2x4 input .* no output under a 3x3 kernel"),
        ((1, 4, 4, 1), (3, 3, 1, 8), "same", "padding is .* not 'same'"),
        ((1, 4, 4, 1), (3, 3, 1, 8), -1, "padding is .* not -1"),
        ((4, 4, 1), (3, 3, 1, 8), "SAME", r"got \(4, 4, 1\)"),
    ],
)
def test_bad_shapes_are_refused_with_their_sizes(shape, kernel, padding, message):
    with pytest.raises(ValueError, match=message):
        conv(jnp.zeros(shape), jnp.zeros(kernel), padding=padding)
