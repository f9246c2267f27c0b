"""REINFORCE: returns by hand, actions of the policy, and the gradient beside an enumeration."""

import itertools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from dlfun.algorithms.reinforce import draw_action, reinforce, returns_to_go
from dlfun.environments import Environment
from dlfun.metrics import values

KEY = jax.random.key(0)
EPISODES = 40_000


def step(state, action):
    """Two steps: the first action decides what the second is worth; action 2 ends at once."""
    number = action.astype(jnp.float32)
    reward = jnp.where(state[0] == 0, 0.5 * number, jnp.where(number == state[1], 3.0, 1.0))
    after = jnp.stack([state[0] + 1, number])
    return after, reward, (after[0] >= 2) | (action == 2)


GAME = Environment("a game", lambda key: jnp.zeros(2), step, 2, 3, limit=4, threshold=3.0)


class Network(nn.Module):
    """A number for each action, linear in the state."""

    outputs: int

    @nn.compact
    def __call__(self, x):
        return nn.Dense(self.outputs, bias_init=nn.initializers.normal())(x)


def expected_return(params):
    """Σ over sequences of actions of their probability times their return."""

    def probabilities(state):
        return jax.nn.softmax(Network(3).apply({"params": params}, state))

    start = jnp.zeros(2)
    total = 0.0
    for first, second in itertools.product(range(3), range(3)):
        state, reward, ended = step(start, jnp.int32(first))
        _, after, _ = step(state, jnp.int32(second))
        both = jnp.where(ended, reward, reward + after)
        total += probabilities(start)[first] * probabilities(state)[second] * both
    return total


@pytest.mark.parametrize("baseline", [None, Network(1)])
def test_an_update_follows_the_gradient_of_the_expected_return(baseline):
    learner = reinforce(GAME, Network(3), optax.sgd(1.0), discount=1.0, baseline=baseline)
    batch = {"weight": jnp.ones(EPISODES)}
    state = learner.init(KEY, batch)
    new, measured = jax.jit(learner.update)(state, batch, KEY)
    before, after = state.params["policy"], new.params["policy"]
    value, gradient = jax.value_and_grad(expected_return)(before)
    assert values(measured)["return"] == pytest.approx(float(value), abs=0.02)
    step = jax.tree.map(lambda b, a: a - b, before, after)
    assert max(np.abs(leaf).max() for leaf in jax.tree.leaves(gradient)) > 0.2
    jax.tree.map(lambda s, g: np.testing.assert_allclose(s, g, atol=0.02), step, gradient)


def test_a_baseline_lowers_the_variance_of_the_gradient():
    def spread(baseline):
        learner = reinforce(GAME, Network(3), optax.sgd(1.0), baseline=baseline)
        state = learner.init(KEY, {"weight": jnp.ones(1)})
        if baseline:  # The constant 2.5 is near the mean of the returns.
            constant = {"kernel": jnp.zeros((2, 1)), "bias": jnp.full(1, 2.5)}
            state.params["baseline"]["Dense_0"] = constant
        one = lambda key: learner.update(state, {"weight": jnp.ones(1)}, key)[0]  # noqa: E731
        new = jax.jit(jax.vmap(one))(jax.random.split(KEY, 2000))
        return new.params["policy"]["Dense_0"]["bias"].std(axis=0).sum()

    assert spread(Network(1)) < 0.8 * spread(None)


def test_the_baseline_learns_the_returns():
    """Where each of two steps is rewarded by 1 they are 1 + γ and 1."""

    def steady(state, action):
        after = state + jnp.array([1.0, 0.0])
        return after, jnp.ones(()), after[0] >= 2

    game = GAME._replace(step=steady)
    learner = reinforce(game, Network(3), optax.sgd(0.3), discount=0.5, baseline=Network(1))
    batch = {"weight": jnp.ones(4)}
    state, update = learner.init(KEY, batch), jax.jit(learner.update)
    for number in range(100):
        state, _ = update(state, batch, jax.random.fold_in(KEY, number))
    states = jnp.array([[0.0, 0.0], [1.0, 0.0]])
    learned = Network(1).apply({"params": state.params["baseline"]}, states)
    np.testing.assert_allclose(learned[:, 0], [1.5, 1.0], atol=1e-3)


def test_returns_by_hand():
    rewards = jnp.array([[1.0, 2.0], [0.0, 3.0], [4.0, 0.0]])
    expected = [[1 + 0.25 * 4, 2 + 0.5 * 3], [0.5 * 4, 3], [4, 0]]
    np.testing.assert_allclose(returns_to_go(rewards, 0.5), expected)


def test_actions_have_the_probabilities_of_the_policy():
    share = jnp.array([0.2, 0.5, 0.3])
    noise = jnp.array([0.0, 0.19, 0.21, 0.69, 0.71, 0.999999])
    actions = draw_action(jnp.broadcast_to(jnp.log(share), (6, 3)), noise)
    np.testing.assert_array_equal(actions, [0, 0, 1, 1, 2, 2])


def test_the_latest_returns_are_those_of_training_alone():
    learner = reinforce(GAME, Network(3), optax.sgd(0.1))
    batch = {"weight": jnp.array([1.0, 1.0, 0.0])}
    state = learner.init(KEY, batch)
    new, measured = jax.jit(learner.update)(state, batch, KEY)
    latest = new.collections["latest"]
    assert latest.ended == 2
    assert float(latest.returns.sum()) == pytest.approx(float(measured["return"].total))
