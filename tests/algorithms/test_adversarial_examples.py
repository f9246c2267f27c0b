"""Adversarial examples: bounds, the closed form for a linear model, one step, training on them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from dlfun.algorithms.adversarial_examples import fgsm, fgsm_training, pgd, random_start
from dlfun.metrics import values
from dlfun.nn.losses import cross_entropy
from dlfun.nn.models.mlp import MLP
from dlfun.optimizers import Optimizer, make_optimizer
from tests.works import compiled

KEY = jax.random.key(0)
X = jax.random.uniform(jax.random.key(1), (6, 8))
LABEL = jnp.arange(6) % 3


def loss_of(model):
    variables = model.init(KEY, X)
    return lambda x: cross_entropy(model.apply(variables, x), LABEL)


LOSS = loss_of(MLP((16,), 3, "tanh"))
ATTACKS = {
    "fgsm": fgsm,
    "pgd": lambda loss, x, epsilon: pgd(loss, x, epsilon, 10),
    "pgd from a random start": lambda loss, x, epsilon: pgd(
        loss, x, epsilon, 10, random_start(KEY, x, epsilon)
    ),
    "random start": lambda loss, x, epsilon: random_start(KEY, x, epsilon),
}


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("epsilon", [0.0, 0.1, 0.7, 1.0])
def test_a_change_is_within_epsilon_and_pixels_stay_pixels(name, epsilon):
    changed = ATTACKS[name](LOSS, X, epsilon)
    assert float(jnp.abs(changed - X).max()) <= epsilon + 1e-6
    assert float(changed.min()) >= 0
    assert float(changed.max()) <= 1
    if epsilon == 0:
        np.testing.assert_allclose(changed, X, atol=1e-7)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_fgsm_of_a_linear_model_is_its_closed_form(sign):
    """ℓ = log(1 + exp(−y (w·x + b))) grows by −y w, so x′ = x − ε y sign w, and the loss with it.

    With no pixel at a bound it is log(1 + exp(−y (w·x + b) + ε ‖w‖₁)) (Goodfellow et al. 2015,
    sec. 5), and no other change within ε has a larger one.
    """
    w, b = jax.random.normal(KEY, (8,)), 0.3
    inside = 0.2 + 0.6 * X

    def loss(x):
        return jax.nn.softplus(-sign * (x @ w + b))

    changed = fgsm(loss, inside, 0.1)
    np.testing.assert_allclose(changed, inside - 0.1 * sign * jnp.sign(w), rtol=1e-5)
    expected = jax.nn.softplus(-sign * (inside @ w + b) + 0.1 * jnp.abs(w).sum())
    np.testing.assert_allclose(loss(changed), expected, rtol=1e-5)
    for n in range(20):
        other = random_start(jax.random.key(n), inside, 0.1)
        assert (loss(other) <= loss(changed)).all()


@pytest.mark.parametrize("epsilon", [0.01, 0.1, 0.5, 1.0])
def test_the_loss_of_a_linear_model_never_falls(epsilon):
    loss = loss_of(nn.Dense(3))
    assert (loss(fgsm(loss, X, epsilon)) >= loss(X)).all()


def test_one_step_of_pgd_from_the_image_itself_is_fgsm():
    np.testing.assert_allclose(pgd(LOSS, X, 0.1, 1), fgsm(LOSS, X, 0.1), atol=1e-6)


def test_ten_steps_raise_the_loss_at_least_as_far_as_one():
    assert LOSS(pgd(LOSS, X, 0.3, 10)).sum() >= LOSS(fgsm(LOSS, X, 0.3)).sum()


def test_a_start_is_random_and_of_each_example_its_own():
    alike = jnp.full((3, 5), 0.5)
    start = random_start(KEY, alike, 0.1)
    assert len(np.unique(start)) == start.size
    np.testing.assert_array_equal(start[:2], random_start(KEY, alike[:2], 0.1))


def test_training_withstands_what_it_is_trained_on():
    """Of two pixels one tells the class by a small difference, the other in nine of ten examples.

    FGSM at ε = 0.2 turns the difference round, and leaves the other pixel readable.
    """
    random = np.random.default_rng(0)
    label = random.integers(0, 2, 400)
    seldom_wrong = 0.1 + 0.8 * np.where(random.random(400) < 0.9, label, 1 - label)
    image = np.stack([0.45 + 0.1 * label, seldom_wrong], axis=1)[:, None, :, None]
    batch = {
        "image": jnp.asarray(255 * image, jnp.uint8),
        "label": jnp.asarray(label, jnp.int32),
        "weight": jnp.ones(400),
    }
    optimizer = make_optimizer(Optimizer("adam", 0.1), 1, 1)
    model = MLP((), 2)
    learners = [
        compiled(fgsm_training(model, cross_entropy, optimizer, epsilon, inputs=lambda x: x - 0.5))
        for epsilon in (0.0, 0.2)
    ]
    measured = []
    for learner in learners:
        state = learner.init(KEY, batch)
        for _ in range(300):
            state, _ = learner.update(state, batch, KEY)
        measured.append(values(learners[1].evaluate(state, batch, KEY)))
    plain, trained = measured
    assert plain["accuracy"] > 0.95
    assert plain["fgsm_accuracy"] < 0.5
    assert trained["fgsm_accuracy"] > 0.85
