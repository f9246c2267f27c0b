"""Adversarial training: turns of the players, clipping, the gradient penalty, what is learned."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.test_util import check_grads

from dlfun.algorithms.adversarial import GAMES, Players, adversarial
from dlfun.nn.models.mlp import MLP
from dlfun.optimizers import Optimizer, make_optimizer
from tests.works import compiled

KEY = jax.random.key(0)
LINEAR = Players(nn.Dense(2), nn.Dense(1), 3)


def batch(rows=16):
    x = jax.random.normal(jax.random.key(1), (rows, 2)) + 3
    return {"x": x, "label": jnp.arange(rows) % 2, "weight": jnp.ones(rows)}


def make(players=LINEAR, game="wasserstein", rate=0.1, **options):
    sgd = optax.sgd(rate)
    return compiled(
        adversarial(players, GAMES[game], (sgd, sgd), lambda batch: batch["x"], **options)
    )


def changed(a, b):
    return any(bool((x != y).any()) for x, y in zip(*map(jax.tree.leaves, (a, b)), strict=True))


def test_the_generator_takes_a_step_in_every_third_update():
    learner = make(critic_steps=3)
    state = learner.init(KEY, batch())
    moves, counts = [], []
    for _ in range(6):
        new, measured = learner.update(state, batch(), KEY)
        assert changed(state.critic.params, new.critic.params)
        moves.append(changed(state.generator.params, new.generator.params))
        counts.append(float(measured["generator_loss"].count))
        state = new
    assert moves == [False, False, True] * 2
    assert counts == [0, 0, 16] * 2


def test_clipping_bounds_the_critic():
    learner = make(clip=0.01)
    state, _ = learner.update(learner.init(KEY, batch()), batch(), KEY)
    largest = max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(state.critic.params))
    assert largest == pytest.approx(0.01)


def test_the_penalty_pulls_a_linear_critic_to_slope_one():
    """The penalty of a critic w·x is λ (‖w‖ − 1)² at every point."""
    weights = {}
    for penalty in (0.0, 0.5):
        learner = make(penalty=penalty)
        state = learner.init(KEY, batch())
        before = state.critic.params["kernel"][:, 0]
        weights[penalty] = learner.update(state, batch(), KEY)[0].critic.params["kernel"][:, 0]
    norm = jnp.linalg.norm(before)
    expected = -0.1 * 0.5 * 2 * (norm - 1) * before / norm
    np.testing.assert_allclose(weights[0.5] - weights[0.0], expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("name", GAMES)
def test_gradients_of_the_games(name):
    game = GAMES[name]
    with jax.enable_x64(True):
        outputs = jnp.asarray([-2.0, 0.3, 5.0], jnp.float64)

        # check_grads hands over NumPy arrays, which the annotations refuse.
        def losses(real, generated):
            real, generated = jnp.asarray(real), jnp.asarray(generated)
            return game.critic(real, generated), game.generator(generated)

        check_grads(losses, (outputs, outputs[::-1]), order=1, modes=["rev"])


def test_minimax_saturates_where_the_critic_is_sure_and_the_other_does_not():
    sure = jnp.asarray(-20.0)
    assert abs(float(jax.grad(GAMES["minimax"].generator)(sure))) < 1e-8
    assert float(jax.grad(GAMES["non_saturating"].generator)(sure)) == pytest.approx(-1)


def test_both_players_are_told_the_condition():
    def told(batch):
        return jax.nn.one_hot(batch["label"], 2)

    players = Players(MLP((32,), 1), MLP((32,), 1), 1)
    adam = make_optimizer(Optimizer("adam", 3e-3, beta1=0.5), 1, 1)
    learner = compiled(
        adversarial(players, GAMES["non_saturating"], (adam, adam), lambda batch: batch["x"], told)
    )
    label = jnp.arange(128) % 2

    def examples(key):
        x = jnp.where(label == 0, -2.0, 2.0) + 0.3 * jax.random.normal(key, (128,))
        return {"x": x[:, None], "label": label, "weight": jnp.ones(128)}

    state = learner.init(KEY, examples(KEY))
    for step in range(1500):
        key = jax.random.fold_in(KEY, step)
        state, _ = learner.update(state, examples(key), key)
    noise = jax.random.normal(KEY, (128, 1))
    made = players.generate(state.generator.params, noise, jax.nn.one_hot(label, 2))[:, 0]
    assert float(made[label == 0].mean()) == pytest.approx(-2, abs=0.5)
    assert float(made[label == 1].mean()) == pytest.approx(2, abs=0.5)
