"""Layer tables against counts by hand; a trace computes nothing and counts sharing once."""

import json
import math
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest
from rich.console import Console

from dlfun import config as configs
from dlfun import experiment as experiments
from dlfun.algorithms.perceptron import perceptron
from dlfun.algorithms.supervised import supervised
from dlfun.cli.summary import render, summarize_experiment
from dlfun.learner import Learner
from dlfun.nn import losses, summary
from dlfun.nn.kernels import lowerings
from dlfun.nn.layers.conv import Conv
from dlfun.nn.layers.conv_transpose import ConvTranspose
from dlfun.nn.models.cnn import CNN
from dlfun.nn.models.deep_mlp import DeepMLP
from dlfun.nn.models.mlp import MLP
from dlfun.nn.models.rnn import RecurrentClassifier
from dlfun.optimizers import Optimizer, make_optimizer
from dlfun.transforms import compare
from experiments.foundations.shallow_against_deep.k_means import k_means

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
    experiment = experiments.load("mnist_mlp")
    config = configs.replace(experiment.default, {"hidden": (32, 16)})
    ((stage, rows),) = summarize_experiment(experiment, config)
    assert stage == "training"
    assert [row.output for row in rows] == [(32,), (16,), (10,)]


def classifier(model, name="adam"):
    optimizer = make_optimizer(Optimizer(name))
    return supervised(model, losses.cross_entropy, optimizer)


BATCH = {"image": jnp.zeros((1, 28, 28, 1)), "label": jnp.zeros(1, jnp.int32)}
BATCH |= {"weight": jnp.ones(1)}
POINTS = {name: jnp.zeros((1, *shape)) for name, shape in {"x": (2,), "weight": ()}.items()}


@pytest.mark.parametrize("model", [MLP(), CNN(), RecurrentClassifier("gru")])
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_a_supervised_learner_is_summarized_as_its_model(model, optimizer):
    rows = summary.summarize_learner(classifier(model, optimizer), BATCH)
    assert rows == summary.summarize(model, IMAGES)


def test_compared_networks_are_named_as_their_learners():
    """In the order of their calls, which is not that of their names."""
    models = {"wide": MLP((32,)), "narrow": MLP((16,))}
    learner = compare({name: classifier(model) for name, model in models.items()})
    rows = summary.summarize_learner(learner, BATCH)
    assert [row.name for row in rows] == [
        *("wide/Dense_0", "wide/Dense_1", "narrow/Dense_0", "narrow/Dense_1")
    ]
    assert [row.output for row in rows] == [(32,), (10,), (16,), (10,)]
    state = learner.init(jax.random.key(0), BATCH)
    for row in rows:
        params = summary.layer_parameters(state, row)
        assert params.keys() == {"kernel", "bias"}
        assert params["kernel"] is state[row.network[0]].params[row.path[0]]["kernel"]


@pytest.mark.parametrize(
    ("names", "networks"), [("a", [()] * 2), ("ab", [("MLP 1",)] * 2 + [("MLP 2",)] * 2)]
)
def test_networks_whose_parameters_are_replaced_are_named_by_their_class(names, networks):
    """Which of two networks the parameters in the state belong to cannot be known."""

    def init(key, batch):
        variables = {name: MLP((8,)).init(key, batch["image"]) for name in names}
        return jax.tree.map(jnp.zeros_like, variables if len(names) > 1 else variables["a"])

    rows = summary.summarize_learner(Learner(init, None, None), BATCH)
    assert [row.network for row in rows] == networks


class Carry(nn.Module):
    """A layer with a method that is called before there are parameters."""

    def first(self, rows):
        return jnp.zeros((rows, 3))

    @nn.compact
    def __call__(self, carry, x):
        return carry + nn.Dense(3)(x)


def test_a_method_that_needs_no_parameters_is_no_network():
    def init(key, batch):
        carry = Carry().first(len(batch["x"]))
        return {"carry": carry, "params": Carry().init(key, carry, batch["x"])["params"]}

    rows = summary.summarize_learner(Learner(init, None, None), POINTS)
    assert [row.name for row in rows] == ["Dense_0", "carry"]


class Generator(nn.Module):
    """Images from noise."""

    @nn.compact
    def __call__(self, z):
        return ConvTranspose(1, (2, 2), 2)(nn.Dense(16)(z).reshape(len(z), 4, 4, 1))


def test_a_network_that_is_applied_again_is_summarized_once():
    """As a generator is, to make what the discriminator reads; fields begin at each network."""

    def init(key, batch):
        variables = Generator().init(key, jnp.zeros((1, 3)))
        images = Generator().apply(variables, jnp.zeros((1, 3)))
        judge = CNN((4,), (), 2).init(key, images)
        return {"generator": variables, "discriminator": judge, "best": jnp.zeros(())}

    rows = summary.summarize_learner(Learner(init, None, None), POINTS)
    assert [row.name for row in rows] == [
        *("generator/Dense_0", "generator/ConvTranspose_0", "discriminator/Conv_0"),
        *("discriminator/Pool_0", "discriminator/Dense_0"),
    ]
    assert rows[2].field.size == (3, 3)
    assert rows[3].field.jump == (2, 2)


def test_a_perceptron_has_rows_of_its_arrays():
    rows = summary.summarize_learner(perceptron(1.0, "y"), POINTS)
    assert [(row.name, row.output, row.parameters) for row in rows] == [
        *(("weights", (2,), 2), ("bias", (), 1))
    ]
    assert {row.kind for row in rows} == {"array"}
    assert summary.to_dict(rows)["parameters"] == 3


def test_k_means_has_rows_of_its_arrays():
    rows = summary.summarize_learner(k_means(jnp.zeros((5, 2))), POINTS)
    assert {row.name: row.output for row in rows} == {"centres": (5, 2), "count": (5,)}


def test_an_array_that_is_the_whole_state_is_a_row():
    learner = Learner(lambda key, batch: jnp.zeros((2, 3)), None, None)
    assert [row.name for row in summary.summarize_learner(learner, POINTS)] == ["array"]


def test_networks_made_by_vmap_are_counted_together():
    def init(key, batch):
        return jax.vmap(lambda key: MLP((8,)).init(key, batch["x"]))(jax.random.split(key, 3))

    rows = summary.summarize_learner(Learner(init, None, None), POINTS)
    assert [row.name for row in rows] == ["Dense_0", "Dense_1"]
    assert [row.parameters for row in rows] == [3 * 24, 3 * 90]
    assert [row.multiply_adds for row in rows] == [3 * 16, 3 * 80]


@pytest.mark.parametrize("batch_norm", [None, "moving"])
def test_layers_made_by_a_loop_are_counted_together(batch_norm):
    model = DeepMLP(7, 5, 3, batch_norm=batch_norm)
    rows = summary.summarize(model, jnp.zeros((1, 4)))
    params = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 4)))["params"]
    totals = summary.to_dict(rows)
    assert totals["parameters"] == sum(leaf.size for leaf in jax.tree.leaves(params))
    assert totals["multiply_adds"] == 4 * 5 + 7 * 5 * 5 + 5 * 3


def test_table_and_json_tell_the_same():
    rows = summary.summarize(MLP(), IMAGES)
    console = Console(width=120)
    with console.capture() as capture:
        console.print(render(rows))
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
        console.print(render(rows))
    assert "8×8, 2×2 apart" in capture.get()
    field = json.loads(json.dumps(summary.to_dict(rows)))["layers"][2]["receptive_field"]
    assert field == {"size": [8, 8], "jump": [2, 2], "first": [-3, -3], "centre": [0.5, 0.5]}
