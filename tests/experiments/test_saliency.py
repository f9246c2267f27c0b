"""Saliency: the slope of the class's logit in each pixel, and how much of it is at the ink."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from dlfun import metrics
from dlfun.algorithms.minimize import MinimizeState
from dlfun.algorithms.supervised import supervised
from dlfun.nn import losses
from experiments.convolutional.feature_maps.saliency import near_ink, saliency, with_saliency

KEY = jax.random.key(0)
X = jax.random.normal(KEY, (3, 4, 5, 2))
LABEL = jnp.array([0, 2, 1])


class Linear(nn.Module):
    """Logits are weighted sums of the pixels, so that saliency is the weights' size."""

    @nn.compact
    def __call__(self, x):
        return nn.Dense(3)(x.reshape(len(x), -1))


def test_saliency_of_a_linear_model_is_its_weights():
    variables = Linear().init(KEY, X)
    weights = np.asarray(variables["params"]["Dense_0"]["kernel"]).reshape(4, 5, 2, 3)
    masses = saliency(Linear(), variables, X, LABEL)
    for mass, label in zip(masses, LABEL, strict=True):
        np.testing.assert_allclose(mass, np.abs(weights[..., label]).max(-1), rtol=1e-6)


def test_near_ink_is_the_ink_and_its_neighbours():
    pixels = jnp.zeros((1, 5, 6, 1)).at[0, 1, 2, 0].set(0.9).at[0, 4, 5, 0].set(0.4)
    expected = np.zeros((5, 6))
    expected[0:3, 1:4] = 1
    np.testing.assert_array_equal(near_ink(pixels)[0], expected)
    assert float(near_ink(pixels, margin=2).sum()) == 4 * 5


@pytest.mark.parametrize(("inside", "share"), [(1.0, 1.0), (0.0, 0.0)])
def test_shares_of_saliency_at_the_ink(inside, share):
    """Weights at the ink only, and everywhere else only; an example of weight 0 does not count."""
    image = jnp.zeros((2, 6, 6, 1)).at[0, 2, 2].set(1.0)
    mask = jnp.zeros((6, 6)).at[1:4, 1:4].set(1.0)
    weights = jnp.where(mask == 1, inside, 1 - inside).reshape(36, 1) * jnp.ones((36, 3))
    params = {"Dense_0": {"kernel": weights, "bias": jnp.zeros(3)}}
    plain = supervised(
        Linear(), losses.cross_entropy, optax.sgd(0.1), eval_metrics=metrics.accuracy
    )
    learner = with_saliency(plain, Linear(), lambda x: x, lambda x: x)
    batch = {"image": image, "label": jnp.array([0, 1]), "weight": jnp.array([1.0, 0.0])}
    state = MinimizeState(params, (), {})
    values = metrics.values(learner.evaluate(state, batch, KEY))
    assert values["saliency_near_ink"] == share
    assert values["near_ink"] == pytest.approx(9 / 36)
    assert values["localized"] == share
    assert values["loss"] == metrics.values(plain.evaluate(state, batch, KEY))["loss"]
