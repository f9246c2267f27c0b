"""Receptive fields are the support of the Jacobian, at every position of every layer."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dlfun.nn import summary
from dlfun.nn.kernels.lowerings import im2col
from dlfun.nn.layers import conv as convolution
from dlfun.nn.layers.conv import Conv
from dlfun.nn.layers.conv_transpose import ConvTranspose
from dlfun.nn.layers.pooling import Pool, avg_pool
from dlfun.nn.models.alexnet import AlexNet
from dlfun.nn.models.cnn import CNN
from dlfun.nn.models.googlenet import STAGES, GoogLeNet
from dlfun.nn.models.lenet import LeNet, LeNet5
from dlfun.nn.models.resnet import ResNet, resnet
from dlfun.nn.models.vgg import VGG, vgg


class Odd(nn.Module):
    """What the models lack: dilation, one side padded, axes that differ, slices, groups."""

    @nn.compact
    def __call__(self, x):
        x = Conv(2, (3, 2), (1, 2), [(0, 1), (1, 0)])(x)
        x = Pool(avg_pool, (2, 3), (2, 1), [(1, 0), (0, 0)])(x)
        return Conv(2, padding="VALID", groups=2, dilation=(2, 1))(x[:, 1:, ::2])


MODELS = {
    "cnn": (CNN((2, 2), (4,)), (12, 12, 1)),
    "lenet5": (LeNet5(), (28, 28, 1)),
    "lenet": (LeNet(), (24, 24, 1)),
    "alexnet": (AlexNet(3, (5, 2, 2), (2,) * 5, (4,)), (29, 29, 1)),
    "vgg": (VGG(3, (1, 2), (2, 2), (4,), True), (12, 10, 1)),
    "resnet": (ResNet(3, (1, 2), (2, 3), small=True), (12, 13, 1)),
    "padded shortcuts": (
        ResNet(3, (1, 1), (2, 4), small=True, shortcut="A", preactivation=True),
        (12, 12, 1),
    ),
    "bottleneck": (ResNet(3, (1, 1), (2, 2), bottleneck=True), (24, 24, 1)),
    "googlenet": (
        GoogLeNet(3, False, 5, divide=16, stages=(STAGES[0][:1], STAGES[1][:1])),
        (40, 40, 1),
    ),
    "odd": (Odd(), (17, 23, 1)),
    "one axis": (nn.Sequential([Conv(2, (3,), 2), Pool(), Conv(2, (3,))]), (20, 1)),
}


@pytest.mark.parametrize("name", MODELS)
def test_fields_are_what_the_outputs_depend_on(name, monkeypatch):
    """One image for each pixel, where that pixel is nan: what depends on it is nan too."""

    # Winograd's products depend on more than the sum they make.
    def lower(channels, kernel, strides, dilation, groups):
        return partial(im2col, strides=strides, dilation=dilation, groups=groups)

    monkeypatch.setattr(convolution, "_cpu_lowering", lower)
    model, shape = MODELS[name]
    pixels = np.prod(shape)
    x = jnp.where(jnp.eye(pixels, dtype=bool), jnp.nan, 1.0).reshape(pixels, *shape)
    rows = {row.path: row for row in summary.summarize(model, x[:1])}

    @partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
    def outputs(x):
        found = {}

        def record(call, arguments, keywords, context):
            y = call(*arguments, **keywords)
            path = context.module.path
            if context.method_name == "__call__" and path in rows and rows[path].field:
                found["/".join(path)] = jnp.isnan(y).any(-1)
            return y

        with nn.intercept_methods(record):
            model.apply(variables, x)
        return found

    variables = jax.eval_shape(model.init, jax.random.key(0), x[:1])
    variables = jax.tree.map(lambda v: jnp.ones(v.shape), variables)
    seen = outputs(x)
    windows = [r for r in rows.values() if r.kind in ("Conv", "Pool", "TableConv")]
    assert {"/".join(row.path) for row in windows} <= seen.keys()
    for path, depends in seen.items():
        field, size = rows[tuple(path.split("/"))].field, shape[:-1]
        depends = np.asarray(depends).reshape(*size, *depends.shape[1:])
        expected = np.ones_like(depends)
        for axis, length in enumerate(size):
            positions = np.arange(depends.shape[len(size) + axis])
            first = field.first[axis] + positions * field.jump[axis]
            pixel = np.arange(length)[:, None]
            inside = (pixel >= first) & (pixel < first + field.size[axis])
            own = [1] * depends.ndim
            own[axis], own[len(size) + axis] = inside.shape
            expected = expected & inside.reshape(own)
        np.testing.assert_array_equal(depends, expected, err_msg=path)


@pytest.mark.parametrize(
    ("model", "size", "jump"),
    [(vgg(16), 212, 32), (AlexNet(), 195, 32), (resnet(18), 435, 32), (resnet(50), 427, 32)],
)
def test_known_sizes(model, size, jump):
    """Of the last map, as Araujo, Norris & Sim (2019) have them.

    Their ResNet-50 takes the stride in the 1×1 convolution, and so 483.
    """
    rows = summary.summarize(model, jax.ShapeDtypeStruct((1, 224, 224, 3), jnp.float32))
    last = [row.field for row in rows if row.field][-1]
    assert (last.size, last.jump) == ((size, size), (jump, jump))


def test_the_centre_is_the_middle():
    rows = summary.summarize(CNN(), jnp.zeros((1, 28, 28, 1)))
    assert [row.field and row.field.centre[0] for row in rows][:5] == [0, 0.5, 0.5, 1.5, None]


def test_what_is_no_rectangle_is_none():
    model = nn.Sequential([ConvTranspose(2, (2, 2), 2), Conv(2)])
    assert not any(row.field for row in summary.summarize(model, jnp.zeros((1, 4, 4, 1))))
