from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.test_util import check_grads

from dlfun.nn.kernels import depthwise, lowerings
from dlfun.nn.kernels.direct import direct
from dlfun.nn.kernels.geometry import pads
from dlfun.nn.kernels.winograd import POINTS, winograd
from dlfun.nn.layers.conv import Conv, conv
from tests.works import output_and_gradients

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
    return fast_jit(partial(output_and_gradients, f))(*args)


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
    around = pads((h, w), window, strides, padding)
    general = {"strides": strides, "dilation": (1, 1)}
    found = [partial(f, **general) for f in (lowerings.xla_conv, lowerings.im2col, direct)]
    found += [partial(lowerings.by_columns, strides=strides, columns=c) for c in (1, 2, 5)]
    if window == (3, 3) and strides == (1, 1):
        found += [partial(winograd, m=m) for m in POINTS]
    for lowering in found:
        f = partial(lowering, pads=around)
        _assert_close(_output_and_gradients(f, *args), expected)
    chosen = fast_jit(partial(conv, strides=strides, padding=padding))
    _assert_close(chosen(*args), expected[0])


@pytest.mark.parametrize(
    "lowering",
    [
        partial(lowerings.im2col, strides=(1, 1), dilation=(1, 1)),
        partial(direct, strides=(1, 1), dilation=(1, 1)),
        partial(direct, strides=(2, 1), dilation=(1, 2)),
        partial(direct, strides=(2, 2), dilation=(1, 1)),
        partial(lowerings.by_columns, strides=(1, 1), columns=3),
        *(partial(winograd, m=m) for m in POINTS),
    ],
)
def test_gradients_equal_finite_differences(lowering):
    with jax.enable_x64(True):
        args = _arrays(5, 4, 2, 3, (3, 3), batch=2, dtype=jnp.float64)
        f = jax.jit(partial(lowering, pads=[(1, 1), (1, 1)]))
        check_grads(f, args, order=1, modes=["fwd", "rev"], atol=1e-7, rtol=1e-7)


@pytest.mark.parametrize(("channels", "read_by"), [(3, "im2col"), (8, "xla_conv")])
def test_columns_of_blocks_of_images_equal_those_of_all(channels, read_by, monkeypatch):
    x, kernel, bias = _arrays(9, 9, channels, 4, (5, 5), batch=6)
    for name in {"im2col", "xla_conv"} - {read_by}:
        monkeypatch.setattr(lowerings, name, None)  # Must not be used.

    def program_and_output(block_bytes):
        monkeypatch.setattr(lowerings, "BLOCK_BYTES", block_bytes)

        def f(*args):
            padding = [(2, 2), (2, 1)]
            return lowerings.by_columns(*args, pads=padding, strides=(1, 2), columns=2)

        return str(jax.make_jaxpr(f)(x, kernel, bias)), f(x, kernel, bias)

    (program_of_all, of_all), (program, of_blocks) = map(program_and_output, (10**6, 12_000))
    assert "scan[" not in program_of_all
    assert "scan[" in program
    _assert_close(of_blocks, of_all)


@pytest.mark.parametrize(("cin", "size"), [(1, 3), (8, 3), (3, 5)])
def test_a_population_of_kernels_equals_one_after_another(cin, size):
    x, _, _ = _arrays(6, 6, cin, 4, (size, size))
    draw = np.random.default_rng(1).standard_normal
    kernels, biases = (draw(s).astype(np.float32) for s in [(3, size, size, cin, 4), (3, 4)])
    f = jax.grad(lambda k, b: jnp.sum(conv(x, k, b) ** 2), argnums=(0, 1))
    compiled = fast_jit(f)
    one = [compiled(jnp.asarray(k), jnp.asarray(b)) for k, b in zip(kernels, biases, strict=True)]
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *one)
    _assert_close(fast_jit(jax.vmap(f))(jnp.asarray(kernels), jnp.asarray(biases)), stacked)
    one_image = jax.vmap(lambda x: conv(x[None], jnp.asarray(kernels[0]))[0])
    _assert_close(fast_jit(one_image)(x), fast_jit(conv)(x, jnp.asarray(kernels[0])))


def _derivatives(f, x, kernel, bias):
    """Gradients of a loss, and those of its gradient penalty."""

    def loss(*args):
        return jnp.sum(jnp.sin(f(*args)))

    def penalty(*args):
        return jnp.sum(jax.grad(loss)(*args) ** 2)

    return [jax.grad(part, argnums=(0, 1, 2))(x, kernel, bias) for part in (loss, penalty)]


def _assert_derivatives_close(f, reference, x, kernel, bias):
    """Check the derivatives of one kernel and of a population of two."""

    def one_and_two(f, x, kernels, biases):
        of = partial(_derivatives, f, x)
        return of(kernels[0], biases[0]), jax.vmap(of)(kernels, biases)

    args = x, jnp.stack([kernel, kernel[::-1]]), jnp.stack([bias, 2 * bias])
    found, expected = (fast_jit(partial(one_and_two, g))(*args) for g in (f, reference))
    _assert_close(found, expected, 1e-10)


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize(("size", "stride"), [(4, 2), (3, 2), (3, 3), (5, 3)])
def test_strided_derivatives_equal_xlas(size, stride, padding):
    with jax.enable_x64(True):
        args = _arrays(8, 9, 2, 4, (size, size), batch=2, dtype=jnp.float64)
        by_conv = partial(conv, strides=stride, padding=padding)
        by_xla = partial(_reference, strides=(stride, stride), padding=padding)
        _assert_derivatives_close(by_conv, by_xla, *args)


@pytest.mark.parametrize("padding", [[(1, 1), (1, 1)], [(0, 0), (2, 0)], [(3, 1), (0, 2)]])
def test_depthwise_derivatives_equal_xlas(padding, monkeypatch):
    monkeypatch.setattr(depthwise, "ROWS", 3)  # So that rows are summed in more than one block.
    with jax.enable_x64(True):
        x, _, bias = _arrays(7, 6, 4, 4, (2, 3), batch=2, dtype=jnp.float64)
        _, kernel, _ = _arrays(7, 6, 1, 4, (2, 3), dtype=jnp.float64)
        by_conv = partial(conv, padding=padding, groups=4)
        ones = {"strides": (1, 1), "dilation": (1, 1)}
        by_xla = partial(lowerings.xla_conv, pads=padding, groups=4, **ones)
        _assert_derivatives_close(by_conv, by_xla, x, kernel, bias)


def test_module_is_conv_with_its_parameters():
    x, _, _ = _arrays(7, 7, 3, 4, (5, 5))
    layer = Conv(4, kernel_size=(5, 5), strides=2, padding=2)
    params = fast_jit(layer.init)(jax.random.key(0), x)["params"]
    assert {k: v.shape for k, v in params.items()} == {"kernel": (5, 5, 3, 4), "bias": (4,)}
    expected = fast_jit(partial(conv, strides=2, padding=2))(x, params["kernel"], params["bias"])
    assert np.array_equal(fast_jit(layer.apply)({"params": params}, x), expected)
    plain = jax.eval_shape(Conv(4, use_bias=False).init, jax.random.key(0), x)
    assert list(plain["params"]) == ["kernel"]


def _one_channel(*rows):
    return jnp.array(rows, jnp.float32)[None, ..., None]


@pytest.mark.parametrize(
    ("image", "kernel", "expected"),
    [
        ([[2, 4, 6], [24, 5, 13], [1, 6, 8]], [[1, 3, 2], [2, 9, 3], [7, 1, 6]], [[219]]),
        ([[0, 1, 2], [3, 4, 5], [6, 7, 8]], [[0, 1], [2, 3]], [[19, 25], [37, 43]]),
    ],
)
def test_worked_examples(image, kernel, expected):
    """2·1 + 4·3 + … + 8·6 = 219 and 0·0 + 1·1 + 3·2 + 4·3 = 19."""
    kernel = jnp.array(kernel, jnp.float32)[..., None, None]
    y = conv(_one_channel(*image), kernel, padding="VALID")
    assert y[0, ..., 0].tolist() == expected
    turned = conv(_one_channel(*image), kernel[::-1, ::-1], padding="VALID", flip=True)
    assert turned[0, ..., 0].tolist() == expected


@pytest.mark.parametrize(
    ("size", "window", "strides", "padding", "expected"),
    [
        ((5, 5), 1, 1, 2, (9, 9)),
        ((17, 8), 3, 1, 0, (15, 6)),
        ((125, 49), 5, 2, 2, (63, 25)),
        ((10, 10), 3, 1, "VALID", (8, 8)),
        ((8, 8), 3, 1, "VALID", (6, 6)),
        ((6, 6), 3, 1, "VALID", (4, 4)),
        ((7, 6), 3, 2, "SAME", (4, 3)),
        ((4, 4), 3, 1, "FULL", (6, 6)),
        ((8, 8), 2, 2, [(1, 0), (0, 3)], (4, 5)),
    ],
)
def test_output_sizes(size, window, strides, padding, expected):
    layer = Conv(2, (window, window), strides, padding)
    y, _ = jax.eval_shape(layer.init_with_output, jax.random.key(0), jnp.zeros((1, *size, 1)))
    assert y.shape == (1, *expected, 2)


def test_ten_convolutions_of_5x5_take_40_positions():
    """240 → 200 [T1]."""
    x = jax.ShapeDtypeStruct((1, 240, 240, 1), jnp.float32)
    kernel = jnp.zeros((5, 5, 1, 1))
    for _ in range(10):
        x = jax.eval_shape(partial(conv, padding="VALID"), x, kernel)
    assert x.shape == (1, 200, 200, 1)


def test_true_convolution_is_numpys():
    draw = np.random.default_rng(0).standard_normal
    x, kernel = draw(9).astype(np.float32), draw(4).astype(np.float32)
    y = conv(jnp.asarray(x)[None, :, None], jnp.asarray(kernel)[:, None, None],
             padding="FULL", flip=True)  # fmt: skip
    np.testing.assert_allclose(y[0, :, 0], np.convolve(x, kernel), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "kernel", "options", "message"),
    [
        ((1, 4, 4, 2), (3, 3, 3, 8), {}, "input has 2 channels, the kernel takes 3"),
        ((1, 4, 4, 6), (3, 3, 2, 8), {"groups": 2}, "6 channels, the kernel takes 2 in each of 2"),
        ((1, 4, 4, 6), (3, 3, 2, 8), {"groups": 3}, "6 → 8 channels do not divide into 3 groups"),
        ((1, 4, 4, 1), (3, 3, 1, 8), {"padding": "same"}, "padding is .* not 'same'"),
        ((1, 4, 4, 1), (3, 3, 1, 8), {"padding": -1}, "padding is .* not -1"),
        ((1, 4, 4, 1), (3, 3, 1, 8), {"padding": [(1, 1)]}, r"padding is .* not \[\(1, 1\)\]"),
        ((1, 4, 4, 1), (3, 3, 1, 8), {"strides": (1, 2, 1)}, "one number or 2"),
        ((1, 4, 4, 1), (3, 3, 1, 8), {"strides": 0}, "integers of 1 or more, not 0"),
        ((1, 4, 4, 1), (3, 3, 1, 8), {"dilation": -1}, "integers of 1 or more, not -1"),
        ((1, 4, 4, 1), (0, 3, 1, 8), {}, "a 0x3 window has no position"),
        ((4, 4, 1), (3, 3, 1, 8), {}, r"got \(4, 4, 1\)"),
    ],
)
def test_bad_shapes_are_refused_with_their_sizes(shape, kernel, options, message):
    with pytest.raises(ValueError, match=message):
        conv(jnp.zeros(shape), jnp.zeros(kernel), **options)


@pytest.mark.parametrize(
    ("batch", "channels", "features", "groups"),
    [(0, 1, 6, 1), (0, 32, 32, 1), (0, 8, 8, 8), (0, 8, 4, 2), (2, 1, 0, 1), (2, 0, 4, 1)],
)
def test_empty_inputs_and_kernels(batch, channels, features, groups):
    x = jnp.zeros((batch, 5, 6, channels))
    kernel = jnp.ones((3, 3, channels // groups, features))
    f = partial(conv, groups=groups)
    y, gradients = jax.jit(jax.value_and_grad(lambda *args: f(*args).sum(), (0, 1)))(x, kernel)
    assert f(x, kernel).shape == (batch, 5, 6, features)
    assert y == 0
    assert [g.shape for g in gradients] == [x.shape, kernel.shape]


def test_what_leaves_no_output_is_named_with_what_would_fit():
    message = "^Conv: a 2x4 image leaves no output under a 5x5 window; .* at least 5x5"
    with pytest.raises(ValueError, match=message):
        Conv(1, padding="VALID", dilation=2).init(jax.random.key(0), jnp.zeros((1, 2, 4, 1)))
    message = r"a 1x9 image, padded by \[\(1, 1\), \(1, 1\)\], leaves .* at least 3x3"
    with pytest.raises(ValueError, match=message):
        conv(jnp.zeros((1, 1, 9, 1)), jnp.zeros((5, 5, 1, 1)), padding=1)
