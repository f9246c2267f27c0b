"""Adversarial training: turns of the players, clipping, the gradient penalty, what is learned."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree
from jax.test_util import check_grads

from dlfun.algorithms.adversarial import GAMES, Players, adversarial
from dlfun.nn.models.convolutional_gan import ConvCritic, ConvGenerator
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


@pytest.mark.parametrize("player", ["critic", "generator"])
@pytest.mark.parametrize(
    ("game", "penalty"), [*((name, 0.0) for name in GAMES), ("wasserstein", 2.0)]
)
def test_each_player_follows_the_gradient_of_its_loss(game, penalty, player):
    """A step of gradient descent at rate 1 in float64, against differences of what is reported."""
    # Parameters start as float32.
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):

        def double(tree):
            return jax.tree.map(lambda a: a if a.dtype == jnp.int32 else jnp.float64(a), tree)

        players = Players(MLP((4,), 2, "tanh"), MLP((4,), 1, "tanh"), 3)
        sgd = [optax.sgd(float(player == name)) for name in ("generator", "critic")]
        learner = compiled(
            adversarial(players, GAMES[game], tuple(sgd), lambda b: b["x"], penalty=penalty)
        )
        examples = double(batch(4))
        state = double(learner.init(KEY, examples))
        flat, back = ravel_pytree(getattr(state, player).params)

        def loss(params):
            moved = getattr(state, player)._replace(params=back(params))
            measured = learner.update(state._replace(**{player: moved}), examples, KEY)[1]
            means = {name: m.total / m.count for name, m in measured.items()}
            parts = means["loss"] + penalty * means.get("penalty", 0.0)
            return parts if player == "critic" else means["generator_loss"]

        after = getattr(learner.update(state, examples, KEY)[0], player).params
        direction = jax.random.normal(jax.random.key(2), flat.shape)
        slope = (loss(flat + 1e-5 * direction) - loss(flat - 1e-5 * direction)) / 2e-5
        assert float(abs(slope)) > 1e-3
        followed = (flat - ravel_pytree(after)[0]) @ direction
        assert float(followed) == pytest.approx(float(slope), rel=1e-5)


def test_spectral_normalization_makes_largest_singular_values_1():
    """The vector of the power iteration moves on in updates of the critic, and nowhere else."""
    shape = (8, 8, 1)
    players = Players(ConvGenerator(shape, (4,)), ConvCritic(shape, (4, 6), spectral=True), 3)
    images = {"x": jax.random.normal(KEY, (8, 64)), "weight": jnp.ones(8)}
    learner = make(players, rate=0.0)
    state = learner.init(KEY, images)
    for step in range(40):
        before = state
        state, _ = learner.update(state, images, jax.random.fold_in(KEY, step))
        if step == 0:
            assert changed(before.critic.collections, state.critic.collections)
    sigmas = state.critic.collections["batch_stats"]
    for number, name in enumerate(("Conv_0", "Conv_1", "Dense_0")):
        kernel = state.critic.params[name]["kernel"]
        largest = np.linalg.svd(kernel.reshape(-1, kernel.shape[-1]), compute_uv=False)[0]
        sigma = sigmas[f"SpectralNorm_{number}"][f"{name}/kernel/sigma"]
        assert float(sigma) == pytest.approx(float(largest), rel=1e-3)
    judged = players.judge(state.critic.variables, images["x"])
    doubled = jax.tree.map(lambda leaf: 2 * leaf if leaf.ndim > 1 else leaf, state.critic.params)
    same = players.judge({**state.critic.variables, "params": doubled}, images["x"])
    np.testing.assert_allclose(judged, same, rtol=1e-4, atol=1e-6)


def test_statistics_of_the_generator_are_of_its_own_steps():
    shape = (8, 8, 1)
    players = Players(ConvGenerator(shape, (4,)), ConvCritic(shape, (4, 6)), 3)
    images = {"x": jax.random.normal(KEY, (8, 64)), "weight": jnp.ones(8)}
    learner = make(players, critic_steps=2)
    state, moves = learner.init(KEY, images), []
    for _ in range(4):
        new, _ = learner.update(state, images, KEY)
        moves.append(changed(state.generator.collections, new.generator.collections))
        state = new
    assert moves == [False, True] * 2
    noise = jax.random.normal(KEY, (5, 3))
    alone = players.generate(state.generator.variables, noise[:1])
    together = players.generate(state.generator.variables, noise)
    np.testing.assert_allclose(alone, together[:1], rtol=1e-5, atol=1e-6)


def test_a_critic_that_diverges_has_losses_that_are_not_finite():
    """So the driver stops, and names the step."""
    learner = make(rate=1e20)
    state, losses = learner.init(KEY, batch()), []
    for _ in range(4):
        state, measured = learner.update(state, batch(), KEY)
        losses.append(float(measured["loss"].total))
    assert np.isfinite(losses[0])
    assert not np.isfinite(losses[-1])


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
    made = players.generate(state.generator.variables, noise, jax.nn.one_hot(label, 2))[:, 0]
    assert float(made[label == 0].mean()) == pytest.approx(-2, abs=0.5)
    assert float(made[label == 1].mean()) == pytest.approx(2, abs=0.5)
