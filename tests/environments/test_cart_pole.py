"""The cart with a pole moves as Gymnasium's does, and episodes are played to their end."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dlfun.environments import ENVIRONMENTS, find, no_episodes, play, record, return_metrics
from dlfun.errors import UserError
from dlfun.metrics import values

KEY = jax.random.key(0)


def lean(state, noise):
    """Push to where the pole falls, which keeps it up; now and then to the other side."""
    return jnp.where(noise < 0.02, 0, (state[:, 2] + 0.3 * state[:, 3] > 0).astype(jnp.int32))


def fall(state, noise):
    """Push to one side."""
    return jnp.ones(len(state), jnp.int32)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_whole_episodes_equal_gymnasium(name):
    gymnasium = pytest.importorskip("gymnasium")
    spec, limit = gymnasium.spec(name), find(name).limit
    assert (limit, find(name).threshold) == (spec.max_episode_steps, spec.reward_threshold)
    theirs = gymnasium.make("CartPole-v1", max_episode_steps=limit)
    lengths = set()
    with jax.enable_x64(True):
        step = jax.jit(find(name).step)
        for seed, policy in enumerate((lean, lean, fall)):
            observed, _ = theirs.reset(seed=seed)
            state, random = jnp.asarray(theirs.unwrapped.state), np.random.default_rng(seed)
            for number in range(1, limit + 1):
                action = int(policy(np.asarray(state)[None], random.random(1))[0])
                state, reward, terminated = step(state, jnp.int32(action))
                observed, their_reward, their_terminated, truncated, _ = theirs.step(action)
                np.testing.assert_allclose(state, theirs.unwrapped.state, rtol=0, atol=1e-12)
                np.testing.assert_allclose(state, observed, rtol=0, atol=1e-6)
                # The pole is unstable: a difference of 1e-16 would be 1e-6 after 300 steps.
                state = jnp.asarray(theirs.unwrapped.state)
                assert (reward, terminated) == (their_reward, their_terminated)
                assert truncated == (number == limit)
                if their_terminated or truncated:
                    break
            assert their_terminated or truncated
            lengths.add(number)
    assert limit in lengths
    assert min(lengths) < 20


def test_a_step_equals_the_equations():
    """A step from a leaning pole, by Florian (2007), eqs. 23 and 24, without friction."""
    x, v, angle, turning = 0.1, -0.2, 0.05, 0.3
    g, m, cart, length, force = 9.8, 0.1, 1.0, 0.5, -10.0
    sine, cosine = np.sin(angle), np.cos(angle)
    inner = (-force - m * length * turning**2 * sine) / (cart + m)
    acceleration = (g * sine + cosine * inner) / (length * (4 / 3 - m * cosine**2 / (cart + m)))
    linear = (force + m * length * (turning**2 * sine - acceleration * cosine)) / (cart + m)
    after = [x + 0.02 * v, v + 0.02 * linear, angle + 0.02 * turning, turning + 0.02 * acceleration]
    state, reward, terminated = find("CartPole-v1").step(
        jnp.array([x, v, angle, turning]), jnp.int32(0)
    )
    np.testing.assert_allclose(state, after, rtol=1e-6)
    assert (reward, terminated) == (1, False)


@pytest.mark.parametrize(
    ("state", "ended"),
    [
        ([2.39, 0.0, 0.0, 0.0], False),
        ([2.41, 0.0, 0.0, 0.0], True),
        ([-2.41, 0.0, 0.0, 0.0], True),
        ([0.0, 0.0, 0.209, 0.0], False),
        ([0.0, 0.0, 0.21, 0.0], True),
        ([0.0, 0.0, -0.21, 0.0], True),
    ],
)
def test_an_episode_ends_where_the_cart_or_the_pole_is_too_far(state, ended):
    assert find("CartPole-v1").step(jnp.array(state), jnp.int32(1))[2] == ended


def test_episodes_are_played_to_their_end_and_no_further():
    environment = find("CartPole-v0")
    played = jax.jit(play, static_argnums=(0, 1))(environment, fall, jax.random.split(KEY, 5))
    lengths = np.asarray(played.present.sum(axis=0)).astype(int)
    assert (lengths < 20).all()
    np.testing.assert_array_equal(played.returns(), lengths)
    for episode, length in enumerate(lengths):
        state = played.states[0, episode]
        for time in range(length):
            assert played.present[time, episode] == 1
            np.testing.assert_allclose(played.states[time, episode], state, rtol=1e-5, atol=1e-6)
            state, _, terminated = environment.step(state, jnp.int32(1))
            assert terminated == (time == length - 1)
        assert not played.present[length:, episode].any()


def test_an_episode_is_cut_at_the_limit():
    played = jax.jit(play, static_argnums=(0, 1))(
        find("CartPole-v0"), lean, jax.random.split(KEY, 3)
    )
    np.testing.assert_array_equal(played.returns(), [200, 200, 200])
    measured = values(return_metrics(played, jnp.array([1.0, 0.0, 1.0])))
    assert measured == {"return": 200, "squared_return": 40_000}


def test_the_last_hundred_returns_are_kept():
    latest, expected = no_episodes(), []
    rng = np.random.default_rng(0)
    for size in (7, 90, 30, 250, 1):
        returns, ended = rng.random(size).astype(np.float32), rng.random(size) < 0.7
        latest = jax.jit(record)(latest, jnp.asarray(returns), jnp.asarray(ended))
        expected += returns[ended].tolist()
        kept = np.sort(expected[-100:] + [0.0] * (100 - len(expected)))
        np.testing.assert_allclose(np.sort(latest.returns), kept)
    assert latest.ended == len(expected)


def test_an_unknown_environment_is_named():
    with pytest.raises(UserError, match=r"no environment 'CartPole' \(did you mean 'CartPole-v"):
        find("CartPole")
