"""The classifier reads rows as steps and is a function of each image alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, PartitionSpec

from dlfun.nn.models.rnn import RecurrentClassifier

NAMES = ("rnn", "lstm", "gru")
GATES = {"rnn": 1, "lstm": 4, "gru": 3}


def make(name, batch=4, shape=(6, 5, 2)):
    model = RecurrentClassifier(name, hidden=8, classes=3)
    images = jax.random.normal(jax.random.key(1), (batch, *shape))
    return model, jax.jit(model.init)(jax.random.key(0), images)["params"], images


@pytest.mark.parametrize("name", NAMES)
def test_shapes_and_parameter_count(name):
    model = RecurrentClassifier(name, hidden=8, classes=3)
    logits, variables = jax.eval_shape(
        model.init_with_output, jax.random.key(0), jnp.zeros((4, 6, 5, 2))
    )
    assert logits.shape == (4, 3)
    layers = sum(GATES[name] * 8 * (inputs + 8 + 1) + 8 * (name == "gru") for inputs in (10, 8))
    assert sum(p.size for p in jax.tree.leaves(variables)) == layers + 8 * 3 + 3


def test_each_image_is_classified_alone():
    model, params, images = make("gru")
    classify = jax.jit(model.apply)
    whole = classify({"params": params}, images)
    alone = [classify({"params": params}, images[k : k + 1]) for k in range(4)]
    np.testing.assert_allclose(whole, jnp.concatenate(alone), atol=1e-6)


def test_rows_are_steps():
    """Without recurrent kernels only the last row matters: with them the others do, too."""
    model, params, images = make("rnn")
    classify = jax.jit(model.apply)

    def difference(params):
        return abs(np.subtract(*(classify({"params": params}, x) for x in (images, other)))).max()

    other = images.at[:, :-1].set(0)
    forgetful = {
        name: layer | {"recurrent_kernel": 0 * layer["recurrent_kernel"]}
        for name, layer in params.items()
        if name != "Dense_0"
    }
    assert difference(params | forgetful) == 0
    assert difference(params) > 1e-3


@pytest.mark.parametrize("checked", [False, True])
def test_devices_sum_to_the_whole_batch(checked):
    """With and without shard_map's check of what varies over devices."""
    model, params, images = make("lstm")

    def loss(params, images):
        return (model.apply({"params": params}, images) ** 2).sum()

    def summed(params, images):
        if checked:
            params = jax.lax.pcast(params, "devices", to="varying")
        return jax.lax.psum(jax.grad(loss)(params, images), "devices")

    mesh = Mesh(np.array(jax.devices()[:2]), "devices")
    specs = (PartitionSpec(), PartitionSpec("devices"))
    sharded = jax.jit(
        jax.shard_map(summed, mesh=mesh, in_specs=specs, out_specs=specs[0], check_vma=checked)
    )
    for a, b in zip(
        jax.tree.leaves(sharded(params, images)),
        jax.tree.leaves(jax.jit(jax.grad(loss))(params, images)),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_unknown_cell_is_refused():
    with pytest.raises(ValueError, match="use rnn, lstm, gru"):
        make("elman")
