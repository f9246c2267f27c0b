"""Agreement: complete where the running statistics are the batch's own, broken where they lie."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from dlfun.algorithms.supervised import supervised
from dlfun.metrics import values
from dlfun.nn import losses
from dlfun.nn.models.cnn import CNN
from experiments.foundations.batch_normalization.agreement import with_batch_statistics_agreement

RNG = np.random.default_rng(0)
BATCH = {
    "image": jnp.asarray(RNG.normal(size=(30, 6, 6, 1)), jnp.float32),
    "label": jnp.arange(30) % 10,
    "weight": jnp.ones(30),
}
KEY = jax.random.key(0)


def test_agreement():
    model = CNN((3,), (5,), batch_norm="sums")
    plain = supervised(model, losses.cross_entropy, optax.sgd(0.0), inputs=lambda x: x)
    learner = with_batch_statistics_agreement(model, plain, lambda x: x)
    state, _ = jax.jit(learner.update)(learner.init(KEY, BATCH), BATCH, KEY)
    evaluate = jax.jit(learner.evaluate)
    found = values(evaluate(state, BATCH, KEY))
    assert found["agreement"] == 1  # Nothing moved: the sums are those of this batch.
    wrong = state._replace(statistics=jax.tree.map(lambda a: 3 * a + 1, state.statistics))
    assert values(evaluate(wrong, BATCH, KEY))["agreement"] < 1
