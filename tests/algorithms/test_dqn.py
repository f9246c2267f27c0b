"""Deep Q-learning: its targets by hand, a step of descent, the target network, the variants."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from dlfun.algorithms import replay
from dlfun.algorithms.dqn import dqn, linear, td_targets
from dlfun.environments import find
from dlfun.errors import UserError
from dlfun.metrics import values
from dlfun.nn.models.duelling import Duelling
from dlfun.nn.models.mlp import MLP

KEY = jax.random.key(0)
NETWORK = MLP((8,), 2)
POLE = find("CartPole-v0")
SETTINGS = {"capacity": 32, "replayed": 16, "learning_starts": 8, "target_every": 20}


@functools.cache
def agent(first=1.0, last=0.1, **settings):
    """A compiled agent."""
    schedule = linear(first, last, 50)
    learner = dqn(POLE, NETWORK, optax.sgd(0.1), schedule, **(SETTINGS | settings))
    return learner._replace(init=jax.jit(learner.init), update=jax.jit(learner.update))


def batch(steps, weight=None):
    return {"weight": jnp.ones(steps) if weight is None else jnp.asarray(weight, jnp.float32)}


def trained(learner, updates, steps=4):
    """The state before and after each of some updates."""
    state = learner.init(KEY, batch(1))
    states = [state]
    for number in range(updates):
        state, _ = learner.update(state, batch(steps), jax.random.fold_in(KEY, number))
        states.append(state)
    return states


def close(a, b, tolerance=1e-5):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, tolerance, tolerance), a, b)


def test_targets_by_hand():
    reward, terminated = jnp.array([1.0, 2.0, 3.0]), jnp.array([False, False, True])
    target = jnp.array([[1.0, 5.0], [7.0, 4.0], [9.0, 9.0]])
    online = jnp.array([[3.0, 2.0], [0.0, 1.0], [0.0, 0.0]])
    close(td_targets(reward, terminated, target, target, 0.5), [1 + 2.5, 2 + 3.5, 3.0])
    close(td_targets(reward, terminated, target, online, 0.5), [1 + 0.5, 2 + 2.0, 3.0])


@pytest.mark.parametrize("double", [False, True])
def test_an_update_descends_the_squared_error(double):
    learner = agent(double=double, discount=0.9)
    # The target network is older than the network, as no step of 20 was passed in between.
    before, after = trained(learner, 4)[-2:]
    params, target = before.online.params, before.target
    assert not np.array_equal(params["Dense_0"]["kernel"], target["Dense_0"]["kernel"])
    drawn = replay.draw(
        after.acting.replay, jax.random.split(jax.random.fold_in(KEY, 3))[1], SETTINGS["replayed"]
    )
    q = lambda params, states: NETWORK.apply({"params": params}, states)  # noqa: E731
    rows = np.arange(SETTINGS["replayed"])
    value = np.asarray(q(target, drawn.after))
    choice = np.asarray(q(params, drawn.after)) if double else value
    best = value[rows, choice.argmax(axis=1)]
    y = np.where(drawn.terminated, drawn.reward, drawn.reward + 0.9 * best)

    def loss(params):
        return jnp.square(y - q(params, drawn.state)[rows, drawn.action]).mean()

    step = jax.tree.map(lambda p, g: p - 0.1 * g, params, jax.grad(loss)(params))
    close(after.online.params, step)


def test_the_network_learns_from_the_given_step_on_and_its_copy_is_renewed():
    states = trained(agent(), 11)
    kernels = [np.asarray(state.online.params["Dense_0"]["kernel"]) for state in states]
    targets = [np.asarray(state.target["Dense_0"]["kernel"]) for state in states]
    steps = [int(state.acting.replay.added) for state in states]
    assert steps == list(range(0, 48, 4))
    for before, after, step in zip(kernels, kernels[1:], steps[1:], strict=False):
        assert np.array_equal(before, after) == (step < SETTINGS["learning_starts"])
    for number, step in enumerate(steps[1:], 1):
        new = step // 20 > steps[number - 1] // 20
        assert np.array_equal(targets[number], kernels[number] if new else targets[number - 1])


def test_what_is_stored_is_what_the_environment_does():
    stored = trained(agent(), 8)[-1].acting.replay.stored
    step = jax.vmap(POLE.step)
    after, reward, terminated = step(stored.state, stored.action)
    close(stored.after, after)
    np.testing.assert_array_equal(stored.reward, reward)
    np.testing.assert_array_equal(stored.terminated, terminated)
    going_on = ~np.asarray(terminated)[:-1]
    assert going_on.any()
    close(stored.state[1:][going_on], stored.after[:-1][going_on])
    starts = np.asarray(stored.state[1:][~going_on])
    assert len(starts)
    assert (np.abs(starts) <= 0.05).all()


def test_an_episode_of_full_length_is_cut_and_counted_but_not_terminal():
    learner = agent()
    state = learner.init(KEY, batch(1))
    acting = state.acting._replace(length=jnp.int32(POLE.limit - 1), total=jnp.float32(199))
    state, measured = learner.update(state._replace(acting=acting), batch(4, [1, 1, 0, 0]), KEY)
    assert values(measured)["return"] == 200
    assert state.acting.latest.returns[0] == 200
    assert not state.acting.replay.stored.terminated[0]
    assert (state.acting.length, state.acting.total) == (1, 1)
    assert (np.abs(state.acting.replay.stored.state[1]) <= 0.05).all()


def test_padding_makes_no_step_while_the_network_learns():
    learner = agent()
    state = trained(learner, 4)[-1]
    alone = learner.update(state, batch(4), KEY)
    close(learner.update(state, batch(6, [1, 1, 1, 1, 0, 0]), KEY), alone)
    unchanged, measured = learner.update(state, batch(4, [0, 0, 0, 0]), KEY)
    jax.tree.map(np.testing.assert_array_equal, unchanged, state)
    assert not any(np.asarray(leaf).any() for leaf in jax.tree.leaves(measured))


def test_epsilon_falls_linearly_to_its_end():
    epsilon = linear(1.0, 0.2, 40)(jnp.array([0, 10, 40, 100]))
    np.testing.assert_allclose(epsilon, [1.0, 0.8, 0.2, 0.2], rtol=1e-6)


def test_actions_are_random_by_epsilon():
    """With ε = 0 all actions are the network's, and from ε = 1 on many are not."""
    for learner, least, most in ((agent(0.0, 0.0), 1.0, 1.0), (agent(), 0.2, 0.9)):
        state = trained(learner, 8)[-1]
        early = replay.Transition(*(column[:8] for column in state.acting.replay.stored))
        # The network has not learned before it has made these steps.
        start = learner.init(KEY, batch(1))
        best = learner.predict(start, {"state": early.state}).argmax(axis=1)
        assert least <= (best == early.action).mean() <= most


def test_the_mean_over_actions_of_a_duelling_network_is_the_value():
    network, x = Duelling((6,), 3), jax.random.normal(KEY, (5, 4))
    params = network.init(KEY, x)["params"]
    hidden = jax.nn.relu(x @ params["Dense_0"]["kernel"] + params["Dense_0"]["bias"])
    advantage, value = (hidden @ p["kernel"] + p["bias"] for p in list(params.values())[1:])
    q = network.apply({"params": params}, x)
    close(q.mean(axis=1), value[:, 0])
    close(q - q.mean(axis=1, keepdims=True), advantage - advantage.mean(axis=1, keepdims=True))


def test_a_buffer_that_is_too_small_is_refused():
    with pytest.raises(UserError, match="a buffer of 8 transitions is smaller than a batch of 16"):
        agent(capacity=8)
    learner = agent()
    with pytest.raises(UserError, match="a buffer of 32 .* smaller than a batch of 40 steps"):
        learner.update(learner.init(KEY, batch(1)), batch(40), KEY)
