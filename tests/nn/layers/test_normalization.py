"""Batch norm: PyTorch's numbers; padding and devices change nothing; statistics of all seen."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, PartitionSpec
from jax.test_util import check_grads

from dlfun.learner import AXIS
from dlfun.nn.layers.normalization import BatchNorm
from tests.works import assert_close

SHAPES = [(6, 3), (4, 5, 3), (4, 5, 6, 3)]


def values(shape, seed=0, mean=0.0):
    return jnp.asarray(np.random.default_rng(seed).normal(mean, 2, shape), jnp.float32)


def train(layer, variables, x, weight=None):
    """The output and the new running statistics."""
    weight = jnp.ones(len(x)) if weight is None else weight
    y, new = layer.apply(variables, x, weight, mutable=["batch_stats"])
    return y, {**variables, **new}


@pytest.mark.parametrize("shape", SHAPES)
def test_forward_gradients_and_moving_statistics_equal_torch(shape):
    torch = pytest.importorskip("torch")
    theirs = {2: torch.nn.BatchNorm1d, 3: torch.nn.BatchNorm1d, 4: torch.nn.BatchNorm2d}
    network = theirs[len(shape)](3)
    parameters = {"scale": jnp.array([0.5, 2.0, -1.0]), "bias": jnp.array([1.0, 0.0, 3.0])}
    with torch.no_grad():
        for name, own in (("weight", "scale"), ("bias", "bias")):
            getattr(network, name).copy_(torch.tensor(np.asarray(parameters[own])))
    layer = BatchNorm()
    variables = layer.init(jax.random.key(0), jnp.zeros(shape)) | {"params": parameters}
    for seed in range(2):
        x = values(shape, seed, mean=1.0)
        tx = torch.tensor(np.moveaxis(x, -1, 1).copy(), requires_grad=True)
        network.zero_grad()
        ty = network(tx)
        (ty**3).sum().backward()

        def cubes(params, x, before=variables):
            y, new = train(layer, before | {"params": params}, x)
            return (y**3).sum(), (y, new["batch_stats"])

        gradient, (y, statistics) = jax.jit(jax.grad(cubes, (0, 1), has_aux=True))(parameters, x)
        variables = variables | {"batch_stats": statistics}
        assert_close(y, np.moveaxis(ty.detach().numpy(), 1, -1))
        assert_close(gradient[1], np.moveaxis(tx.grad.numpy(), 1, -1), 1e-3)
        own = {"scale": network.weight.grad.numpy(), "bias": network.bias.grad.numpy()}
        assert_close(gradient[0], own, 1e-3)
    expected = {"mean": network.running_mean.numpy(), "variance": network.running_var.numpy()}
    assert_close(variables["batch_stats"], expected)
    ty = network.eval()(tx).detach().numpy()
    assert_close(layer.apply(variables, x), np.moveaxis(ty, 1, -1))


@pytest.mark.parametrize("running", ["moving", "sums"])
def test_padding_counts_for_nothing(running):
    x, weight = values((5, 4, 4, 3)), jnp.array([1.0, 1.0, 1.0, 0.0, 0.0])
    layer = BatchNorm(running)
    start = layer.init(jax.random.key(0), x)
    padded, after = train(
        layer, start, x * jnp.array([1.0, 1, 1, 9, -9])[:, None, None, None], weight
    )
    alone, expected = train(layer, start, x[:3])
    assert_close(padded[:3], alone, 1e-6)
    assert_close(after["batch_stats"], expected["batch_stats"], 1e-6)
    _, unchanged = train(layer, after, x, jnp.zeros(5))
    assert_close(unchanged, after, 0)


def test_sums_are_the_mean_and_variance_of_all_that_was_seen():
    layer = BatchNorm("sums")
    batches = [values((size, 2, 3), seed, 3.0 * seed) for seed, size in enumerate((4, 7, 2))]
    variables = layer.init(jax.random.key(0), batches[0])
    assert_close(layer.apply(variables, batches[0]), batches[0])
    for x in batches:
        _, variables = train(layer, variables, x)
    seen = np.concatenate(batches).reshape(-1, 3)
    moments = variables["batch_stats"]["seen"]
    assert_close((moments.mean, moments.variance), (seen.mean(0), seen.var(0)))
    y = layer.apply(variables, jnp.concatenate(batches)).reshape(-1, 3)
    assert_close((y.mean(0), y.std(0)), (np.zeros(3), np.ones(3)))


@pytest.mark.parametrize("running", ["moving", "sums"])
def test_a_variance_far_from_zero_is_sound(running):
    """E[x²] - E[x]² of these has no correct digit in float32."""
    x = 1e4 + values((512, 1))
    layer = BatchNorm(running, momentum=1.0)
    y, after = train(layer, layer.init(jax.random.key(0), x), x)
    assert np.std(y) == pytest.approx(1, abs=1e-3)
    assert np.std(layer.apply(after, x)) == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize("running", ["moving", "sums"])
@pytest.mark.parametrize("weight", [[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0], [1, 1, 1, 0, 0, 0]])
def test_two_devices_equal_one(running, weight):
    """However unequally the examples are spread: outputs, statistics and gradients."""
    layer = BatchNorm(running)
    x, weight = values((6, 2, 3)), jnp.array(weight, jnp.float32)
    variables = layer.init(jax.random.key(0), x)

    def loss(params, x, weight):
        y, new = train(layer, variables | {"params": params}, x, weight)
        return (jnp.sin(y) * weight[:, None, None]).sum(), (y, new["batch_stats"])

    differentiate = jax.grad(loss, (0, 1), has_aux=True)

    def on_each(params, x, weight):
        (dparams, dx), (y, new) = differentiate(params, x, weight)
        return (jax.lax.psum(dparams, AXIS), dx), (y, new)

    split, whole = PartitionSpec(AXIS), PartitionSpec()
    sharded = jax.shard_map(
        on_each,
        mesh=Mesh(np.array(jax.devices()[:2]), AXIS),
        in_specs=(whole, split, split),
        out_specs=((whole, split), (split, whole)),
        check_vma=False,
    )
    arguments = variables["params"], x, weight
    assert_close(jax.jit(sharded)(*arguments), jax.jit(differentiate)(*arguments))


def test_within_devices_only_the_normalization_is_local():
    x, weight = values((6, 2, 3)), jnp.array([1, 1, 1, 1, 1, 0], jnp.float32)
    layer = BatchNorm(across_devices=False)
    variables = layer.init(jax.random.key(0), x)
    split, whole = PartitionSpec(AXIS), PartitionSpec()
    y, new = jax.jit(
        jax.shard_map(
            lambda x, weight: train(layer, variables, x, weight),
            mesh=Mesh(np.array(jax.devices()[:2]), AXIS),
            in_specs=(split, split),
            out_specs=(split, whole),
            check_vma=False,
        )
    )(x, weight)
    halves = [train(layer, variables, x[i : i + 3], weight[i : i + 3])[0] for i in (0, 3)]
    assert_close(y, np.concatenate(halves))
    assert_close(new, train(layer, variables, x, weight)[1])


def test_gradients_equal_finite_differences():
    with jax.enable_x64(True):
        x = jnp.asarray(np.random.default_rng(0).normal(size=(5, 2, 3)))
        weight = jnp.array([1.0, 1.0, 1.0, 1.0, 0.0])
        variables = BatchNorm().init(jax.random.key(0), x)
        normalize = jax.jit(lambda x: train(BatchNorm(), variables, x, weight)[0])
        check_grads(normalize, (x,), order=1, modes=["rev"])


def test_the_momentum_may_be_traced_and_the_scale_start_at_zero():
    x = values((4, 3))
    start = BatchNorm().init(jax.random.key(0), x)

    @jax.jit
    @jax.vmap
    def after(momentum):
        return train(BatchNorm(momentum=momentum), start, x)[1]["batch_stats"]["mean"]

    assert_close(after(jnp.array([0.0, 0.5])), np.stack([0 * x.mean(0), x.mean(0) / 2]))
    residual = BatchNorm(zero_scale=True)
    assert not train(residual, residual.init(jax.random.key(0), x), x)[0].any()
