"""Models beside their peers in PyTorch, with the same weights."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from dlfun.algorithms.supervised import supervised
from dlfun.nn import losses, summary
from dlfun.nn.layers.conv import Conv
from dlfun.nn.layers.normalization import BatchNorm


@pytest.fixture
def random_variables():
    """All variables of a model drawn anew: nothing is left at 0 or 1, where mistakes hide."""

    def draw(model, x):
        rng = np.random.default_rng(0)

        def one(path, like):
            name = path[-1].key
            if name == "kernel":
                deviation = np.prod(like.shape[:-1]) ** -0.5
                return jnp.asarray(rng.normal(0, 1.5 * deviation, like.shape), jnp.float32)
            low, high = (0.5, 1.5) if name in ("scale", "variance", "coefficient") else (-0.2, 0.2)
            return jnp.asarray(rng.uniform(low, high, like.shape), jnp.float32)

        return jax.tree_util.tree_map_with_path(
            one, jax.eval_shape(model.init, jax.random.key(0), x)
        )

    return draw


@pytest.fixture
def assert_equals_torch(random_variables):
    """Evaluate a model and its peer, whose layers are registered in the order of our calls."""
    torch = pytest.importorskip("torch")

    def give(target, array):
        with torch.no_grad():
            target.copy_(torch.tensor(np.array(array)))

    def copy(variables, path, layer):
        for key in path:
            variables = {k: v.get(key, {}) for k, v in variables.items()}
        params = variables["params"]
        if isinstance(layer, torch.nn.BatchNorm2d):
            statistics = variables["batch_stats"]
            give(layer.weight, params["scale"])
            give(layer.running_mean, statistics["mean"])
            give(layer.running_var, statistics["variance"])
        else:
            give(layer.weight, np.moveaxis(params["kernel"], (-1, -2), (0, 1)))
        if layer.bias is not None:
            give(layer.bias, params["bias"])

    def check(model, peer, shape):
        x = jnp.asarray(np.random.default_rng(1).normal(size=shape), jnp.float32)
        variables = random_variables(model, x)
        called = []

        def record(call, arguments, keywords, context):
            is_call = context.method_name == "__call__"
            if is_call and isinstance(context.module, Conv | BatchNorm | nn.Dense):
                called.append(context.module.path)
            return call(*arguments, **keywords)

        with nn.intercept_methods(record):
            jax.eval_shape(model.apply, variables, x)
        layers = [m for m in peer.modules() if hasattr(m, "weight")]
        for path, layer in zip(called, layers, strict=True):
            copy(variables, path, layer)
        with torch.no_grad():
            expected = peer.eval()(torch.tensor(np.moveaxis(np.array(x), -1, 1).copy())).numpy()
        quick = jax.jit(model.apply, compiler_options={"xla_backend_optimization_level": 0})
        y = quick(variables, x)
        assert np.std(expected) > 1e-3
        np.testing.assert_allclose(y, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())

    return check


@pytest.fixture
def assert_learns():
    """A few steps on one small batch: the loss is finite and falls. The summary counts the same."""

    def check(model, shape, rate=0.05, steps=4):
        learner = supervised(model, losses.cross_entropy, optax.sgd(rate), inputs=lambda x: x)
        images = jax.random.normal(jax.random.key(2), (4, *shape))
        batch = {"image": images, "label": jnp.arange(4) % model.classes, "weight": jnp.ones(4)}
        options = {"xla_backend_optimization_level": 0}
        update = jax.jit(learner.update, compiler_options=options)
        state = jax.jit(learner.init, compiler_options=options)(jax.random.key(0), batch)
        rows = summary.summarize(model, images[:1])
        total = sum(leaf.size for leaf in jax.tree.leaves(state.params))
        assert summary.to_dict(rows)["parameters"] == total
        assert rows[-1].output == (model.classes,)
        found = []
        for step in range(steps):
            state, measured = update(state, batch, jax.random.fold_in(jax.random.key(1), step))
            found.append(float(measured["loss"].total))
        assert np.isfinite(found).all()
        assert found[-1] < found[0]

    return check


@pytest.fixture
def parameters():
    """The number of parameters of a model for images of a shape."""

    def count(model, shape):
        x = jax.ShapeDtypeStruct((1, *shape), jnp.float32)
        params = jax.eval_shape(model.init, jax.random.key(0), x)["params"]
        return sum(leaf.size for leaf in jax.tree.leaves(params))

    return count
