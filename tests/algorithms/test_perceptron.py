"""Gates by fixed neurons, the perceptron's convergence and its bound, Hebb's recall."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlfun.algorithms import perceptron as neurons
from dlfun.data.gates import GATES, truth_tables
from dlfun.errors import UserError
from experiments.foundations.perceptron_margin.separable import bound, separable

KEY = jax.random.key(0)


@pytest.mark.parametrize("gate", GATES)
def test_gates_equal_their_truth_tables(gate):
    table = truth_tables(gate).splits["test"]
    found = neurons.threshold_output(jnp.asarray(table["x"]), neurons.MCP_GATES[gate])[:, 0]
    np.testing.assert_array_equal(found, table[gate])


def test_one_neuron_computes_every_gate_but_xor():
    """Of all weights in {−1, 0, 1} and all thresholds."""
    right = {}
    for gate in GATES:
        table = truth_tables(gate).splits["test"]
        best = neurons.best_neuron(table["x"], table[gate])
        right[gate] = int(
            (neurons.threshold_output(jnp.asarray(table["x"]), [best])[:, 0] == table[gate]).sum()
        )
    assert right == {"and": 4, "or": 4, "not": 2, "nand": 4, "nor": 4, "xor": 3}


def test_the_search_leaves_no_threshold_out():
    """Beyond those searched a neuron is constant, and between two of them nothing changes."""
    x = jnp.asarray(truth_tables("xor").splits["test"]["x"])
    searched = neurons.all_neurons(2)
    known = {tuple(column) for column in np.asarray(neurons.threshold_output(x, [searched])).T}
    for threshold in np.arange(-4, 4.01, 0.25):
        layer = neurons.Layer(searched.weights, np.full_like(searched.thresholds, threshold))
        assert {
            tuple(column) for column in np.asarray(neurons.threshold_output(x, [layer])).T
        } <= known


def test_no_such_gate():
    with pytest.raises(UserError, match=r"no gate 'nxor' \(did you mean 'xor'\?\)"):
        truth_tables("nxor")
    with pytest.raises(UserError, match="differ in their number of inputs"):
        truth_tables("and", "not")


LEARNER = neurons.perceptron(1.0, "y")


@jax.jit
def through(x, target, rows):
    """The state at the end, and after each row."""

    def step(state, row):
        batch = {"x": x[row][None], "y": target[row][None], "weight": jnp.ones(1)}
        state, _ = LEARNER.update(state, batch, KEY)
        return state, state

    return jax.lax.scan(step, LEARNER.init(KEY, {"x": x[:1]}), rows)


def learn(x, target, epochs, seed):
    orders = [np.random.default_rng(seed + e).permutation(len(x)) for e in range(epochs)]
    return through(jnp.asarray(x), jnp.asarray(target), jnp.asarray(np.concatenate(orders)))


@settings(max_examples=25, deadline=None)
@given(dimensions=st.integers(1, 12), margin=st.floats(0.03, 0.4), seed=st.integers(0, 2**32 - 1))
def test_mistakes_stay_within_the_bound(dimensions, margin, seed):
    points, normal = separable(60, dimensions, margin, seed)
    train = points.splits["train"]
    x, side = train["x"], train["side"]
    assert np.min((2 * side - 1) * (x @ normal)) >= margin - 1e-6
    epochs = 20
    state, states = learn(x, side, epochs, seed)
    assert int(state.mistakes) <= bound(x, margin)
    early = int(states.mistakes[(epochs - 1) * len(x) - 1])
    if early == int(state.mistakes):  # A whole epoch without a mistake: all are right.
        activation = x @ np.asarray(state.weights) + np.asarray(state.bias)
        assert ((activation >= 0) == side).all()


def test_the_learning_rate_only_scales_the_weights():
    table = truth_tables("nand").splits["test"]
    batch = {"x": jnp.asarray(table["x"]), "y": jnp.asarray(table["nand"]), "weight": jnp.ones(4)}
    states = []
    for rate in (1.0, 0.5):
        learner = neurons.perceptron(rate, "y")
        state = learner.init(KEY, batch)
        for _ in range(7):
            state, _ = learner.update(state, batch, KEY)
        states.append(state)
    np.testing.assert_allclose(states[0].weights, 2 * states[1].weights)
    assert int(states[0].mistakes) == int(states[1].mistakes)


def test_xor_keeps_the_weights_in_a_bounded_set():
    table = truth_tables("xor").splits["test"]
    _, states = learn(table["x"], table["xor"], 250, 0)
    path = np.stack([*np.asarray(states.weights).T, states.bias], axis=1)
    assert len({tuple(row) for row in path}) < 40
    right = (path[:, :2] @ table["x"].T + path[:, 2:] >= 0) == table["xor"]
    assert right.sum(axis=1).max() == 3
    assert int(states.mistakes[-1]) > 250


def test_inseparable_and_impossible_sets_are_refused():
    with pytest.raises(UserError, match="no plane separates the 100 examples"):
        separable(100, 3, 0.2, seed=0, flipped=1)
    with pytest.raises(UserError, match="above 0 and below 1, not 1.5"):
        separable(10, 3, 1.5, seed=0)


def test_padding_counts_for_nothing():
    table = truth_tables("or").splits["test"]
    full = {"x": jnp.asarray(table["x"]), "or": jnp.asarray(table["or"])}
    padded = full | {"weight": jnp.asarray([1.0, 1.0, 0.0, 0.0])}
    short = {name: array[:2] for name, array in full.items()} | {"weight": jnp.ones(2)}
    learner = neurons.perceptron(1.0, "or")
    state = learner.init(KEY, short)
    jax.tree.map(
        np.testing.assert_array_equal,
        learner.update(state, padded, KEY),
        learner.update(state, short, KEY),
    )


def test_hebb_recalls_orthogonal_patterns_exactly():
    basis = np.array([[1]])
    for _ in range(4):
        basis = np.block([[basis, basis], [basis, -basis]])  # Sylvester: rows are orthogonal.
    y = np.random.default_rng(0).choice([-1.0, 1.0], (16, 5))
    batch = {"x": jnp.asarray(basis, jnp.float32), "y": jnp.asarray(y, jnp.float32)}
    batch |= {"weight": jnp.ones(16)}
    learner = neurons.hebbian(1 / 16)
    weights, _ = learner.update(learner.init(KEY, batch), batch, KEY)
    np.testing.assert_allclose(batch["x"] @ weights, y, atol=1e-6)
    assert float(learner.evaluate(weights, batch, KEY)["accuracy"].total) == 16
