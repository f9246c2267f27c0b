import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from dlfun.nn.models.cnn import CNN, DropoutCNN

T2 = CNN((32, 64, 128, 256), (), average=True)


@pytest.mark.parametrize(
    ("model", "count"), [(CNN(), 421_642), (T2, 390_410), (DropoutCNN(), 17_802)]
)
def test_parameter_counts(model, count):
    shapes = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 28, 28, 1)))
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == count


def test_a_global_average_reads_images_of_any_size():
    """And does not see where on them something is, but near the border."""
    model = CNN((2, 3), (), 4, average=True)
    x = jnp.zeros((1, 12, 12, 1)).at[0, 4, 4].set(1.0)
    variables = jax.jit(model.init)(jax.random.key(0), x)
    look = jax.jit(model.apply)
    np.testing.assert_allclose(look(variables, jnp.roll(x, 2, 1)), look(variables, x), rtol=1e-5)
    assert look(variables, jnp.zeros((1, 17, 9, 1))).shape == (1, 4)


def test_t1s_network_in_the_printed_order():
    model = DropoutCNN(3, 0.3)
    x = jax.random.normal(jax.random.key(1), (2, 16, 16, 1))
    p = jax.jit(model.init)(jax.random.key(0), x)["params"]
    y = x
    for block in (p["Conv_0"], p["Conv_1"]):
        dims = ("NHWC", "HWIO", "NHWC")
        y = lax.conv_general_dilated(y, block["kernel"], (1, 1), "VALID", dimension_numbers=dims)
        y = nn.max_pool(nn.relu(y + block["bias"]), (2, 2), (2, 2))
    dense = p["Dense_0"]
    expected = y.reshape(2, -1) @ dense["kernel"] + dense["bias"]
    np.testing.assert_allclose(model.apply({"params": p}, x), expected, rtol=1e-4, atol=1e-5)
    drop = jax.jit(
        jax.vmap(lambda k: model.apply({"params": p}, x, jnp.ones(2), rngs={"dropout": k}))
    )
    dropped = drop(jax.random.split(jax.random.key(2), 300))
    np.testing.assert_allclose(dropped.mean(0), expected, atol=0.2)  # An unbiased estimate,
    assert float(dropped.std(0).min()) > 0  # that varies.


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
