"""Autoregressive models of binary images: order of pixels, exactness, drawing."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import log_expit

from dlfun.algorithms.density import density, draw, independent_pixels
from dlfun.nn.models.autoregressive import NADE, MaskedMLP, PixelCNN
from dlfun.optimizers import Optimizer, make_optimizer
from tests.works import compiled

PIXELS = 12
MODELS = {
    "fvsbn": MaskedMLP(),
    "made": MaskedMLP((16, 9)),
    "nade": NADE(PIXELS, 7),
    "pixelcnn": PixelCNN((3, 4), 4, (1, 2)),
}


def logits_of(name, seed=0):
    """The model as a function of images, with parameters that are not those it starts from."""
    model = MODELS[name]
    key = jax.random.key(seed)
    started = model.init(key, jnp.zeros((1, PIXELS)))
    leaves, structure = jax.tree.flatten(started)
    keys = jax.random.split(key, len(leaves))
    drawn = [jax.random.normal(k, leaf.shape) for k, leaf in zip(keys, leaves, strict=True)]
    variables = structure.unflatten(drawn)
    return model, variables, jax.jit(lambda x: model.apply(variables, x))


@pytest.mark.parametrize("name", MODELS)
def test_a_logit_depends_on_the_pixels_before_it_and_on_no_other(name):
    logits = logits_of(name)[2]
    x = jax.random.normal(jax.random.key(1), (PIXELS,))
    jacobian = np.asarray(jax.jacobian(lambda x: logits(x[None])[0])(x))
    assert not np.triu(jacobian).any()
    below = jacobian[np.tril_indices(PIXELS, -1)]
    # ReLUs that are off, and windows that do not reach: but most pixels count.
    assert (below != 0).mean() > 0.5


@pytest.mark.parametrize("name", MODELS)
def test_probabilities_of_all_images_sum_to_one(name):
    logits = logits_of(name)[2]
    images = np.array(list(itertools.product((0.0, 1.0), repeat=PIXELS)), np.float32)
    z = np.asarray(logits(jnp.asarray(images)), np.float64)
    log_p = np.where(images == 1, log_expit(z), log_expit(-z)).sum(axis=1)
    assert np.exp(log_p).sum() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("name", ["nade", "pixelcnn"])
@pytest.mark.parametrize("first", [0, 5])
def test_drawing_by_what_is_kept_equals_the_plain_way(name, first):
    model, variables, logits = logits_of(name)
    given = jax.random.bernoulli(jax.random.key(2), shape=(6, PIXELS)).astype(jnp.float32)
    key = jax.random.key(3)
    plain = jax.jit(lambda x: draw(logits, x, key, first))(given)
    fast = jax.jit(lambda x: model.apply(variables, x, key, first, method="draw"))(given)
    np.testing.assert_array_equal(plain, fast)
    np.testing.assert_array_equal(plain[:, :first], given[:, :first])
    assert len(np.unique(np.asarray(plain), axis=0)) > 1


def test_images_are_drawn_with_their_probabilities():
    logits = logits_of("made")[2]
    drawn = jax.jit(lambda x: draw(logits, x, jax.random.key(4)))(jnp.zeros((20_000, PIXELS)))
    z = np.asarray(logits(drawn), np.float64)
    # Given those before it, each pixel is on as often as its probability says.
    share, expected = np.asarray(drawn).mean(axis=0), (1 / (1 + np.exp(-z))).mean(axis=0)
    np.testing.assert_allclose(share, expected, atol=4 * 0.5 / np.sqrt(20_000))


def test_training_lowers_the_loss_to_the_entropy_of_the_data():
    rng = np.random.default_rng(0)
    half = rng.integers(0, 2, (512, 2, 3, 1))
    image = np.concatenate([half, half], axis=2).astype(np.uint8) * np.uint8(255)
    learner = compiled(density(MaskedMLP((32,)), make_optimizer(Optimizer("adam", 0.02), 1, 1)))
    batch = {"image": jnp.asarray(image), "weight": jnp.ones(512)}
    key = jax.random.key(0)
    state = learner.init(key, batch)
    for _ in range(300):
        state, measured = learner.update(state, batch, key)
    loss = float(measured["loss"].total / measured["loss"].count)
    assert loss == pytest.approx(6 * np.log(2), abs=0.15)


def test_independent_pixels_have_the_entropy_of_their_shares():
    image = np.zeros((1000, 1, 2, 1), np.uint8)
    image[:500, 0, 0] = 255
    expected = np.log(2) - np.log(1001 / 1002)
    assert independent_pixels(image, image) == pytest.approx(expected, rel=1e-6)
