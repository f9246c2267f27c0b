"""The contract of a learner, for a model that knows training from evaluation."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import Mesh, PartitionSpec

from dlfun.algorithms.supervised import supervised
from dlfun.learner import AXIS, Learner
from dlfun.metrics import values
from dlfun.nn import losses
from dlfun.nn.layers.dropout import Dropout
from dlfun.nn.layers.normalization import BatchNorm
from dlfun.nn.losses import Heads
from dlfun.nn.models.mlp import MLP
from tests.works import compiled


class Normalized(nn.Module):
    """Batch norm, dropout, and an auxiliary head while training."""

    rate: float = 0.0
    weight: float = 0.3

    @nn.compact
    def __call__(self, x, training=None):
        x = nn.relu(BatchNorm()(nn.Dense(8)(x), training))
        x = Dropout(self.rate)(x, training)
        logits, auxiliary = nn.Dense(3)(x), nn.Dense(3)(x)
        return logits if training is None else Heads(logits, (auxiliary,), self.weight)


def make(model) -> Learner:
    return compiled(supervised(model, losses.cross_entropy, optax.sgd(0.5)))


def batch(size=6, weight=None):
    rng = np.random.default_rng(0)
    return {
        "image": jnp.asarray(rng.normal(1, 2, (size, 5)), jnp.float32),
        "label": jnp.arange(size) % 3,
        "weight": jnp.ones(size) if weight is None else jnp.asarray(weight, jnp.float32),
    }


def close(a, b):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6), a, b)


KEY = jax.random.key(0)


def test_padding_counts_for_nothing():
    learner = make(Normalized())
    state = learner.init(KEY, batch())
    padded = learner.update(state, batch(weight=[1, 1, 1, 1, 0, 0]), KEY)
    short = {name: array[:4] for name, array in batch().items()}
    close(padded, learner.update(state, short, KEY))


def test_two_devices_equal_one():
    learner = make(Normalized())
    state, whole = learner.init(KEY, batch()), batch(weight=[1, 1, 1, 1, 0, 0])
    split, same = PartitionSpec(AXIS), PartitionSpec()
    update = jax.shard_map(
        lambda batch: learner.update(state, batch, KEY)[0],
        mesh=Mesh(np.array(jax.devices()[:2]), AXIS),
        in_specs=split,
        out_specs=same,
        check_vma=False,
    )
    close(jax.jit(update)(whole), learner.update(state, whole, KEY)[0])


def test_evaluation_reads_the_statistics_of_training():
    learner = make(Normalized())
    state = learner.init(KEY, batch())
    trained, _ = learner.update(state, batch(), KEY)
    swapped = trained._replace(collections=state.collections)
    losses = [values(learner.evaluate(s, batch(), KEY))["loss"] for s in (trained, swapped)]
    assert abs(losses[0] - losses[1]) > 1e-3


def test_dropout_draws_by_the_key_while_training_alone():
    learner = make(Normalized(rate=0.5))
    state = learner.init(KEY, batch())
    runs = [learner.update(state, batch(), jax.random.key(seed))[1]["loss"] for seed in (0, 0, 1)]
    assert float(runs[0].total) == float(runs[1].total) != float(runs[2].total)
    found = [learner.evaluate(state, batch(), jax.random.key(seed)) for seed in (0, 1)]
    close(*found)


@pytest.mark.parametrize("weight", [0.0, 0.3])
def test_an_auxiliary_head_adds_its_weighted_gradient(weight):
    learner = make(Normalized(weight=weight))
    state = learner.init(KEY, batch())
    after, _ = learner.update(state, batch(), KEY)
    step = state.params["Dense_2"]["bias"] - after.params["Dense_2"]["bias"]

    def auxiliary(params):
        variables = state._replace(params=params).variables
        x, weight = batch()["image"], batch()["weight"]
        heads, _ = Normalized().apply(
            variables, x, weight, rngs={"dropout": KEY}, mutable=["batch_stats"]
        )
        return losses.cross_entropy(heads.auxiliary[0], batch()["label"]).mean()

    close(step, 0.5 * weight * jax.grad(auxiliary)(state.params)["Dense_2"]["bias"])


def test_a_model_without_statistics_has_none():
    learner = make(MLP((4,), 3))
    state = learner.init(KEY, batch())
    assert state.collections == {} == learner.update(state, batch(), KEY)[0].collections
