"""Convolution and its transpose equal PyTorch's on random shapes, gradients included."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlfun.nn.kernels import lowerings
from dlfun.nn.layers.conv import conv
from dlfun.nn.layers.conv_transpose import ConvTranspose, conv_transpose

torch = pytest.importorskip("torch")
quick = partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
few = settings(max_examples=8, deadline=None, derandomize=True)


@st.composite
def problems(draw, transposed=False):
    """Sizes of an input and a kernel, and the options of a convolution that leaves an output."""
    axes = draw(st.integers(1, 3))

    def each(least, most):
        return tuple(draw(st.integers(least, most)) for _ in range(axes))

    groups = draw(st.sampled_from([1, 1, 2, 3]))
    channels = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    options = {"strides": each(1, 3), "dilation": each(1, 2), "groups": groups}
    options["padding"] = [(p, p) for p in each(0, 1)]
    if transposed:
        options["output_padding"] = tuple(s - 1 for s in options["strides"])
    return each(6, 8), each(2, 3) if transposed else each(1, 3), *channels, options


def _arrays(*shapes):
    draw = np.random.default_rng(0).standard_normal
    return [draw(shape).astype(np.float32) for shape in shapes]


def _theirs(name, arrays, options):
    """Output and gradients of PyTorch's function, on channels-first copies; ours come back."""
    x, kernel, bias = arrays
    tx = torch.tensor(np.moveaxis(x, -1, 1).copy(), requires_grad=True)
    last = (-1, -2)
    tkernel = torch.tensor(np.moveaxis(kernel, last, (0, 1)).copy(), requires_grad=True)
    tbias = torch.tensor(bias, requires_grad=True)
    renamed = {"stride": options["strides"], "padding": tuple(p for p, _ in options["padding"])}
    rest = {k: v for k, v in options.items() if k not in ("strides", "padding")}
    f = getattr(torch.nn.functional, f"{name}{x.ndim - 2}d")
    y = f(tx, tkernel, tbias, **renamed, **rest)
    (y**2).sum().backward()
    return (
        np.moveaxis(y.detach().numpy(), 1, -1),
        np.moveaxis(tx.grad.numpy(), 1, -1),
        np.moveaxis(tkernel.grad.numpy(), (0, 1), last),
        tbias.grad.numpy(),
    )


def _ours(f, arrays):
    def squares(*arrays):
        y = f(*arrays)
        return (y**2).sum(), y

    gradients, y = quick(jax.grad(squares, (0, 1, 2), has_aux=True))(*map(jnp.asarray, arrays))
    return y, *gradients


def _assert_close(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4 * np.abs(b).max())


@few
@given(problems())
def test_convolution(problem):
    size, window, cin, cout, options = problem
    groups = options["groups"]
    arrays = _arrays((2, *size, cin), (*window, cin // groups, cout), (cout,))
    theirs = _theirs("conv", arrays, options)
    _assert_close(_ours(partial(conv, **options), arrays), theirs)
    native = {"pads" if k == "padding" else k: v for k, v in options.items()}
    _assert_close(_ours(partial(lowerings.xla_conv, **native), arrays), theirs)


@few
@given(problems(transposed=True))
def test_transposed_convolution(problem):
    size, window, cin, cout, options = problem
    groups = options["groups"]
    arrays = _arrays((2, *size, cin), (*window, cout // groups, cin), (cout,))
    ours = _ours(partial(conv_transpose, **options), arrays)
    _assert_close(ours, _theirs("conv_transpose", arrays, options))


def test_a_3x3_transposed_convolution_at_stride_1():
    """Whose forward convolution a CPU computes in tiles."""
    arrays = _arrays((2, 5, 6, 4), (3, 3, 8, 4), (8,))
    options = {"strides": (1, 1), "padding": [(1, 1), (1, 1)]}
    ours = _ours(partial(conv_transpose, **options), arrays)
    _assert_close(ours, _theirs("conv_transpose", arrays, options))


@few
@given(problems(transposed=True))
def test_the_transpose_is_that_of_the_linear_map(problem):
    """⟨conv(x), y⟩ = ⟨x, conv_transpose(y)⟩, and the shapes lead back."""
    size, window, cin, cout, options = problem
    kernel, y = map(
        jnp.asarray, _arrays((*window, cout // options["groups"], cin), (1, *size, cin))
    )
    back = quick(partial(conv_transpose, **options))(y, kernel)
    extra = options.pop("output_padding")
    assert extra == tuple(s - 1 for s in options["strides"])
    x = jnp.asarray(_arrays(back.shape)[0])
    forward = quick(partial(conv, **options))(x, kernel)
    assert forward.shape == y.shape
    np.testing.assert_allclose((forward * y).sum(), (x * back).sum(), rtol=1e-3, atol=1e-3)


def test_the_layer_is_the_function_with_its_parameters():
    layer = ConvTranspose(6, (2, 2), strides=2, groups=2)
    x = jnp.ones((1, 3, 4, 4))
    y, variables = layer.init_with_output(jax.random.key(0), x)
    params = variables["params"]
    assert {k: v.shape for k, v in params.items()} == {"kernel": (2, 2, 3, 4), "bias": (6,)}
    expected = conv_transpose(x, params["kernel"], params["bias"], strides=2, groups=2)
    np.testing.assert_array_equal(y, expected)
    assert y.shape == (1, 6, 8, 6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"output_padding": 1}, r"output padding \(1, 1\) must be below strides \(1, 1\)"),
        ({"padding": 4}, "a 3x3 image under a 2x2 window leaves no output"),
        ({"groups": 3}, "4 → 6 channels do not divide into 3 groups"),
    ],
)
def test_what_cannot_be_transposed_is_refused(options, message):
    with pytest.raises(ValueError, match=f"^ConvTranspose: .*{message}"):
        ConvTranspose(6, (2, 2), **options).init(jax.random.key(0), jnp.zeros((1, 3, 3, 4)))
