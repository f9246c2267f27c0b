"""Layer tables against counts by hand; a trace computes nothing and counts sharing once."""

import json
import math
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest
from rich.console import Console

from dlfun import experiment as experiments
from dlfun.errors import UserError
from dlfun.nn import summary
from dlfun.nn.kernels import lowerings
from dlfun.nn.layers.conv import Conv
from dlfun.nn.layers.conv_transpose import ConvTranspose
from dlfun.nn.models.cnn import CNN
from dlfun.nn.models.mlp import MLP
from dlfun.nn.models.rnn import RecurrentClassifier

IMAGES = jax.ShapeDtypeStruct((1, 28, 28, 1), jnp.float32)
H = 128


def rnn(gates, extra_bias=0):
    """Parameters and multiply-adds of two recurrent layers and a dense one, by hand."""
    one, two = 28 * gates * H + H * gates * H, 2 * H * gates * H
    bias = gates * H + extra_bias
    return one + two + 2 * bias + 1290, 28 * (one + two) + 1280


@pytest.mark.parametrize(
    ("model", "parameters", "multiply_adds"),
    [
        (MLP(), 784 * 128 + 128 + 1290, 784 * 128 + 128 * 10),
        (CNN(), 421_642, 28 * 28 * 9 * 32 + 14 * 14 * 9 * 32 * 64 + 3136 * 128 + 1280),
        (RecurrentClassifier("rnn"), *rnn(1)),
        (RecurrentClassifier("lstm"), *rnn(4)),
        (RecurrentClassifier("gru"), *rnn(3, extra_bias=H)),
    ],
)
def test_totals_equal_counts_by_hand(model, parameters, multiply_adds):
    found = summary.to_dict(summary.summarize(model, IMAGES))
    assert (found["parameters"], found["multiply_adds"]) == (parameters, multiply_adds)
    params = jax.eval_shape(model.init, jax.random.key(0), IMAGES)
    assert found["parameters"] == sum(leaf.size for leaf in jax.tree.leaves(params))


def test_layers_come_in_the_order_of_their_calls_with_the_shapes_of_one_example():
    rows = summary.summarize(RecurrentClassifier("gru"), IMAGES)
    assert [row.name for row in rows] == ["Recurrent_0", "Recurrent_1", "Dense_0"]
    assert [(row.input, row.output) for row in rows] == [
        ((28, 28), (28, 128)),
        ((28, 128), (28, 128)),
        ((128,), (10,)),
    ]


def test_the_batch_size_changes_nothing_and_neither_does_asking_twice():
    first = summary.summarize(CNN(), IMAGES)
    assert summary.summarize(CNN(), IMAGES) == first
    assert summary.summarize(CNN(), jnp.zeros((3, 28, 28, 1))) == first


class Shared(nn.Module):
    """One dense layer applied twice, and dropout, which owns nothing."""

    @nn.compact
    def __call__(self, x):
        layer = nn.Dense(5)
        return nn.Dropout(0.5, deterministic=True)(layer(layer(x)))


def test_a_shared_layer_is_counted_once_and_applied_twice():
    rows = summary.summarize(Shared(), jnp.zeros((2, 5)))
    assert [row.kind for row in rows] == ["Dense", "Dense", "Dropout"]
    assert [row.parameters for row in rows] == [30, 0, 0]
    assert [row.multiply_adds for row in rows] == [25, 25, 0]


def test_nothing_is_computed():
    """A kernel of 10¹² weights would not fit into memory."""
    rows = summary.summarize(MLP((10**6,)), jax.ShapeDtypeStruct((1, 10**6), jnp.float32))
    assert rows[0].multiply_adds == 10**12


@pytest.mark.parametrize(
    ("layer", "space"),
    [
        (Conv(6, (3, 3), 2, 0), (9, 8)),
        (Conv(6, (5,), 1, 0, groups=2, use_bias=False), (12,)),
        (Conv(8, (2, 3), 1, 0, groups=4, dilation=2), (9, 9)),
        (Conv(3, (2, 2, 2), 1, 0), (4, 5, 6)),
        (ConvTranspose(6, (3, 3), 2), (5, 4)),
        (ConvTranspose(6, (2, 2), 2, groups=2), (5, 4)),
    ],
)
def test_multiply_adds_of_convolutions_are_those_xla_counts(layer, space, monkeypatch):
    """A multiply-add is two of XLA's operations; it counts one for a bias at each output, too."""
    monkeypatch.setattr(
        "dlfun.nn.layers.conv._cpu_lowering",
        lambda c, k, s, d, g: partial(lowerings.xla_conv, strides=s, dilation=d, groups=g),
    )
    x = jax.ShapeDtypeStruct((1, *space, 4), jnp.float32)
    (row,) = summary.summarize(layer, x)
    variables = jax.eval_shape(layer.init, jax.random.key(0), x)
    compiled = jax.jit(layer.apply).lower(variables, x).compile()
    biases = math.prod(row.output) if layer.use_bias else 0
    assert compiled.cost_analysis()["flops"] - biases == 2 * row.multiply_adds


def test_an_experiment_is_summarized_on_its_dataset(small_mnist):
    module = experiments.load("mnist_mlp")
    rows = summary.summarize_experiment("mnist_mlp", module.Config(hidden=(32, 16)))
    assert [row.output for row in rows] == [(32,), (16,), (10,)]
    with pytest.raises(UserError, match="'mnist_mlp' has no single model"):
        summary.summarize_built("mnist_mlp", module.build(module.Config())._replace(model=None))


def test_table_and_json_tell_the_same():
    rows = summary.summarize(MLP(), IMAGES)
    console = Console(width=120)
    with console.capture() as capture:
        console.print(summary.render(rows))
    text = capture.get()
    found = json.loads(json.dumps(summary.to_dict(rows)))
    for number in (found["parameters"], found["multiply_adds"]):
        assert f"{number:,}" in text
    assert [layer["name"] for layer in found["layers"]] == ["Dense_0", "Dense_1"]
    assert found["layers"][0]["input"] == [784]
    assert found["layers"][0]["receptive_field"] is None


def test_the_table_shows_receptive_fields_where_there_are_some():
    rows = summary.summarize(CNN(), IMAGES)
    console = Console(width=120)
    with console.capture() as capture:
        console.print(summary.render(rows))
    assert "8×8, 2×2 apart" in capture.get()
    field = json.loads(json.dumps(summary.to_dict(rows)))["layers"][2]["receptive_field"]
    assert field == {"size": [8, 8], "jump": [2, 2], "first": [-3, -3], "centre": [0.5, 0.5]}
