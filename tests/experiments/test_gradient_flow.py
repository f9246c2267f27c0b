"""The gradient through time is that of JAX through the whole network, and decays as it must."""

import jax
import jax.numpy as jnp
import numpy as np

from dlfun.data.memory_tasks import adding
from dlfun.nn.layers.recurrent import Recurrent
from experiments.recurrent.gradient_flow.flow import Network, decades, last_loss, saturation, start

HIDDEN, TIME = 8, 6
KEY = jax.random.key(0)
BATCH = jax.vmap(lambda key: adding(key, TIME))(jax.random.split(KEY, 3))
X, Y = BATCH["x"], BATCH["y"]


def test_loss_is_that_of_the_layer_at_once():
    network = Network("lstm", 1.0, 2.0)
    params = start(network, HIDDEN, KEY, X)
    zeros = (jnp.zeros((TIME, len(X), HIDDEN)),) * 2
    losses, h = last_loss(network, HIDDEN, params, X, Y, zeros)
    outputs, _ = Recurrent(HIDDEN, "lstm").apply({"params": params["layer"]}, X)
    np.testing.assert_allclose(h, outputs[:, -1], rtol=1e-5, atol=1e-6)
    expected = (outputs[:, -1] @ params["readout"] - Y[:, 0]) ** 2
    np.testing.assert_allclose(losses, expected, rtol=1e-4, atol=1e-6)


def test_gradient_of_an_rnn_is_the_product_of_its_jacobians():
    network = Network("rnn", 0.9)
    params = start(network, HIDDEN, KEY, X)
    flow, _ = decades(network, HIDDEN, params, X, Y)
    layer = params["layer"]
    np.testing.assert_allclose(jnp.linalg.norm(layer["recurrent_kernel"], 2), 0.9, rtol=1e-5)
    outputs, _ = Recurrent(HIDDEN, "rnn").apply({"params": layer}, X)
    gradient = jnp.broadcast_to(params["readout"], (len(X), HIDDEN))
    norms = [jnp.linalg.norm(gradient, axis=1)]
    for t in range(TIME - 1, 0, -1):
        gradient = (gradient * (1 - outputs[:, t] ** 2)) @ layer["recurrent_kernel"].T
        norms.append(jnp.linalg.norm(gradient, axis=1))
    expected = jnp.log10(jnp.stack(norms, axis=1) / norms[0][:, None])
    np.testing.assert_allclose(flow, expected, atol=1e-4)
    # tanh' ≤ 1: each step shrinks the gradient at least by the gain.
    assert (jnp.diff(flow, axis=1) <= np.log10(0.9) + 1e-5).all()


def test_a_long_step_saturates_and_a_clipped_one_does_not():
    network = Network("rnn", 1.0)
    params = start(network, HIDDEN, KEY, X)
    batch = {"x": X, "y": Y, "weight": jnp.ones(len(X))}
    norm, free, clipped = saturation(network, HIDDEN, params, batch, 1e6, 1e-8)
    assert norm > 0
    assert free > 0.9
    assert clipped == 0
