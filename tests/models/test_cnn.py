import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from dlfun.models.cnn import CNN


def test_parameter_count_of_the_mnist_network():
    shapes = jax.eval_shape(CNN().init, jax.random.key(0), jnp.zeros((1, 28, 28, 1)))
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == 421_642


def _in_the_printed_order(p, x):
    """Convolution, ReLU, pooling by the library's own layers."""
    for block in (p["Conv_0"], p["Conv_1"]):
        dims = ("NHWC", "HWIO", "NHWC")
        x = lax.conv_general_dilated(x, block["kernel"], (1, 1), "SAME", dimension_numbers=dims)
        x = nn.max_pool(nn.relu(x + block["bias"]), (2, 2), (2, 2))
    x = nn.relu(x.reshape(x.shape[0], -1) @ p["Dense_0"]["kernel"] + p["Dense_0"]["bias"])
    return x @ p["Dense_1"]["kernel"] + p["Dense_1"]["bias"]


def test_logits_and_gradients_equal_the_printed_order_of_layers():
    model = CNN(channels=(4, 8), hidden=(16,))
    x = jax.random.normal(jax.random.key(1), (3, 12, 12, 1))
    p = jax.jit(model.init)(jax.random.key(0), x)["params"]
    p["Conv_0"]["bias"] = jnp.linspace(-0.5, 0.5, 4)

    def run(f):
        return jax.jit(jax.value_and_grad(lambda p: jnp.sum(jnp.sin(f(p, x)))))(p)

    ours = run(lambda p, x: model.apply({"params": p}, x))
    theirs = run(_in_the_printed_order)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        assert np.max(np.abs(np.asarray(a) - b)) <= 2e-5 * np.max(np.abs(b))


def test_an_image_too_small_for_the_poolings_is_refused():
    with pytest.raises(ValueError, match="1x1 image leaves no output"):
        jax.eval_shape(CNN().init, jax.random.key(0), jnp.zeros((1, 3, 3, 1)))
