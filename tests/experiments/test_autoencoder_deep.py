"""The pretrained network starts as the stack of machines: its code is theirs."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np

from dlfun.algorithms.belief_network import features
from dlfun.algorithms.boltzmann_machine import RBM
from dlfun.algorithms.contrastive_divergence import RBMState
from dlfun.algorithms.frozen_layers import Stack
from dlfun.data.images import pixels
from dlfun.nn.models.autoencoder import Autoencoder
from experiments.energy.autoencoder_deep import unroll

SIZES = (6, 5, 4, 2)
RNG = np.random.default_rng(0)


def machine(visible, hidden):
    shapes = (visible, hidden), (visible,), (hidden,)
    return RBM(*(jnp.asarray(RNG.normal(size=shape), jnp.float32) for shape in shapes))


def test_unrolled_machines():
    stack = [machine(v, h) for v, h in pairwise(SIZES)]
    model = Autoencoder(SIZES, "sigmoid")
    images = jnp.asarray(RNG.integers(0, 256, (7, 3, 2, 1)), jnp.uint8)
    x = pixels(images)
    start = model.init(jax.random.key(0), x)["params"]
    fresh = {"pretrained": RBMState(start, (), None), "random": RBMState(start, (), None)}
    state = unroll(Stack(tuple(stack[:-1]), RBMState(stack[-1], (), None)), fresh)
    assert jax.tree.structure(state) == jax.tree.structure(fresh)
    variables = {"params": state["pretrained"].params}
    below = features(stack[:-1], {"image": images, "weight": jnp.ones(7)})["x"]
    code = below @ stack[-1].weights + stack[-1].hidden_bias
    np.testing.assert_allclose(model.apply(variables, x, method="encode"), code, rtol=1e-4)
    # Downwards as the machines do, from σ(z) ≈ 1/2 + z/4.
    h = jax.nn.sigmoid((0.5 + code / 4) @ stack[2].weights.T + stack[2].visible_bias)
    h = jax.nn.sigmoid(h @ stack[1].weights.T + stack[1].visible_bias)
    logits = h @ stack[0].weights.T + stack[0].visible_bias
    np.testing.assert_allclose(model.apply(variables, x), logits, rtol=1e-4, atol=1e-4)
