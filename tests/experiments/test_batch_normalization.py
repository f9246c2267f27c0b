"""Agreement is complete where the running statistics are those of the batch, and else is not."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from dlfun.algorithms.supervised import supervised
from dlfun.nn import losses
from dlfun.nn.models.cnn import CNN
from experiments.foundations.batch_normalization import agreement

RNG = np.random.default_rng(0)
BATCH = {
    "image": jnp.asarray(RNG.normal(size=(30, 6, 6, 1)), jnp.float32),
    "label": jnp.arange(30) % 10,
    "weight": jnp.ones(30),
}
KEY = jax.random.key(0)


def test_agreement():
    model = CNN((3,), (5,), batch_norm="sums")
    learner = supervised(model, losses.cross_entropy, optax.sgd(0.0))
    state, _ = jax.jit(learner.update)(learner.init(KEY, BATCH), BATCH, KEY)
    # The parameters stood still: the sums are those of this batch.
    assert agreement(model, state.variables, BATCH["image"]) == 1
    wrong = state._replace(collections=jax.tree.map(lambda a: 3 * a + 1, state.collections))
    assert agreement(model, wrong.variables, BATCH["image"]) < 1
